"""What the trail costs, as ratios taken in one run: the machine is shared and its speed drifts."""

from mas.bench import run_sealing, run_verify


async def test_sealing_costs_less_than_a_tenth_of_the_throughput(redis_url, record_property):
    # One process does everything, sealing included, and is busy all the time; a gateway beside a process with
    # the registry leaves sealing to that one. Measured: 0.92 to 0.96 are kept.
    shares = []
    for _ in range(6):
        pairs = await run_sealing(redis_url, 5000, rounds=4)
        assert all(pair.sealed > 3000 for pair in pairs), pairs
        sealing, without = [pair.sealing for pair in pairs], [pair.without for pair in pairs]
        shares.append(
            (
                sum(round_.took for round_ in without) / sum(round_.took for round_ in sealing),
                sum(round_.cpu for round_ in without) / sum(round_.cpu for round_ in sealing),
            )
        )
        if min(shares[-1]) > 0.9:
            break
    record_property("throughput and CPU time kept", shares)
    # By time and by CPU time at once; neighbours on the machine disturb a whole run now and then.
    assert max(map(min, shares)) > 0.9, shares


async def test_verifying_keeps_a_fair_share_of_the_speed_at_which_redis_hands_records_out(
    redis_url, record_property
):
    # Reading alone is 700,000 records a second, and 100,000 are asked for: a seventh. Measured: two thirds in
    # a process of its own, a quarter in one as full of objects as this, where the collector takes its time.
    shares = []
    for _ in range(3):
        proof = await run_verify(redis_url, 20_000)
        shares.append(proof.verifying.rate / proof.reading.rate)
        if shares[-1] > 0.15:
            break
    record_property("share, records a second", (shares, proof.verifying.rate))
    assert max(shares) > 0.15, shares
