"""What may happen while messages flow: each scenario is a coroutine function over a `Play`."""

import signal
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio

from tests.faults.play import AHEAD, INGRESS, LEASE, B, Fsync, Play, suspended
from tests.redis.waiting import until

KILLS = 3


async def kill_gateways(play: Play) -> None:
    """F1: the one gateway is killed at random points, and another takes its place."""
    await play.receiver()
    gateway = await play.gateway()
    for kill in range(KILLS):
        following = await play.gateway(waiting=True)
        await play.handled((kill + 1) / (KILLS + 2))
        await anyio.sleep(play.chance.random() / 20)
        play.fault()
        gateway.signal(signal.SIGKILL)
        await gateway.ended()
        await following.go()
        await play.recovered()
        gateway = following


async def kill_receivers(play: Play) -> None:
    """F2: of two receivers, one at a time is killed with handlers at work."""
    await play.gateway()
    living = [await play.receiver() for _ in range(2)]
    for kill in range(KILLS):
        following = await play.receiver(waiting=True)
        await play.handled((kill + 1) / (KILLS + 2))
        await anyio.sleep(play.chance.random() / 20)
        victim = living.pop(play.chance.randrange(2))
        play.fault()
        victim.signal(signal.SIGKILL)
        await victim.ended()
        await following.go()
        living.append(following)
        await play.recovered()


async def kill_between_effect_and_settlement(play: Play) -> None:
    """F3: now and then a handler writes to its journal and then kills its own process."""
    await play.gateway()
    receiver = await play.receiver()
    for _ in range(KILLS):
        following = await play.receiver(waiting=True)
        await receiver.ended(within=60)
        play.fault()
        await following.go()
        receiver = following
    await play.recovered()


def dies_at_times(number: int) -> str:
    """Let as many messages as there are kills be deadly, once each."""
    return "die.once" if 0 < number <= KILLS * 500 and number % 500 == 0 else "slow"


async def restart_redis(play: Play) -> None:
    """F5: Redis is killed and started again in its directory."""
    await play.gateway()
    await play.receiver()
    for kill in range(3):
        await play.handled((kill + 1) / 5)
        await anyio.sleep(play.chance.random() / 10)
        play.fault()
        await anyio.to_thread.run_sync(play.server.kill)
        await anyio.to_thread.run_sync(play.server.start)
        await play.recovered()


async def silence_redis(play: Play) -> None:
    """F7: Redis stands still for longer than anybody waits for an answer, and for a moment."""
    await play.gateway()
    await play.receiver()
    for seconds in (0.3, 2.5, 5.0):
        await anyio.sleep(play.chance.random() / 10)
        play.fault()
        play.server.suspend()
        await anyio.sleep(seconds)
        play.server.resume()
        await play.recovered()


async def destroy_groups(play: Play) -> None:
    """F8: the groups are destroyed and the scripts flushed under load."""
    await play.gateway()
    await play.receiver()
    for number in range(6):
        await anyio.sleep(play.chance.random() / 2)
        play.fault()
        if number % 3 == 2:
            play.client.script_flush()
        else:
            play.client.xgroup_destroy(*((INGRESS, "gateway"), (B, "agents"))[number % 3])
        await play.recovered()


async def flush_everything(play: Play) -> None:
    """F8: all is deleted; what comes to rest afterwards must again be all that was accepted from there on."""
    await play.gateway()
    await play.receiver()
    await play.handled(0.3)
    play.fault()
    play.client.flushall()
    play.flushed = True
    # What was under way is gone, and whoever is not enrolled yet is refused: neither is counted.
    play.ahead = 1_000_000
    await play.recovered()
    play.ahead = AHEAD
    await play.begin_anew()
    await play.handled(0.8)


async def four_gateways(play: Play) -> None:
    """F13: four gateways at full speed, of which some are killed and some stand still for a while."""
    play.pause = 0.0
    await play.receiver()
    gateways = [await play.gateway() for _ in range(4)]
    for number in range(KILLS):
        following = await play.gateway(waiting=True)
        await anyio.sleep(play.chance.random())
        sleeper, victim = play.chance.sample(gateways, 2)
        play.fault()
        async with suspended(sleeper):
            victim.signal(signal.SIGKILL)
            await victim.ended()
            await anyio.sleep(play.chance.random() * (2.5 if number % 2 else 0.5))
        gateways[gateways.index(victim)] = following
        await following.go()
    await play.recovered()


async def sleep_beyond_the_lease(play: Play) -> None:
    """F14: a gateway, and a receiver, stand still until others have taken over, and then go on."""
    sleepers = [await play.gateway(), await play.receiver()]
    await play.gateway()
    await play.receiver()
    for sleeper in sleepers:
        await anyio.sleep(play.chance.random() / 2)
        play.fault()
        async with suspended(sleeper):
            await anyio.sleep(2 * LEASE + play.chance.random())
        await play.recovered()


async def partition(play: Play) -> None:
    """F15: a gateway and a receiver are behind a line that falls silent, is slow, half closes or is cut."""
    assert play.between is not None
    await play.gateway(cut_off=True)
    await play.receiver(cut_off=True)
    await play.gateway()
    await play.receiver()
    for what in play.chance.sample(("silent", "half", "cut", "slow"), 4):
        await anyio.sleep(play.chance.random() / 2)
        play.fault()
        match what:
            case "silent":
                play.between.fall_silent()
                await anyio.sleep(2 * LEASE + play.chance.random())
                play.between.heal()
            case "half":
                await play.between.half_close()
            case "cut":
                await play.between.cut()
            case _:
                play.between.delay = 0.05
                await anyio.sleep(2)
                play.between.delay = 0.0
        await play.recovered()


async def soak(play: Play) -> None:
    """F21: nothing happens, for long; keys and consumers must not grow, nor the memory of anybody."""
    await play.gateway()
    await play.receiver()
    await play.handled(0.25)
    early, keys, peak = play.consumers(), play.keys(), play.watch.most_memory
    await play.handled(1)
    with anyio.move_on_after(5):
        await until(lambda: play.consumers() == early)
    late = play.consumers(), play.keys()
    assert late == (early, keys), f"{late} was {(early, keys)}"
    # Python's own memory comes in pieces; what is kept of each message would show.
    assert play.watch.most_memory < 1.3 * peak, f"{play.watch.most_memory:.0f} MiB was {peak:.0f} MiB"


class Scenario(NamedTuple):
    """What happens, and on what stage."""

    faults: Callable[[Play], Any]
    fsync: Fsync = "no"
    over_proxy: bool = False
    eager: bool = False
    kinds: Callable[[int], str] = lambda _: "work"
    times: int = 1
    """How many times as many messages as in others."""


SCENARIOS = {
    "F1": Scenario(kill_gateways),
    "F2": Scenario(kill_receivers, kinds=lambda _: "slow"),
    "F3": Scenario(kill_between_effect_and_settlement, kinds=dies_at_times),
    "F5-always": Scenario(restart_redis, fsync="always"),
    "F5-everysec": Scenario(restart_redis, fsync="everysec"),
    "F7": Scenario(silence_redis),
    "F8-groups": Scenario(destroy_groups),
    "F8-flush": Scenario(flush_everything),
    "F13": Scenario(four_gateways),
    "F13-eager": Scenario(four_gateways, eager=True),
    "F14": Scenario(sleep_beyond_the_lease),
    "F15": Scenario(partition, over_proxy=True),
    "F21": Scenario(soak, times=5),
}
