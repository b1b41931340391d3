"""End a registration: what Redis keeps of an agent goes, once nothing of it is needed any more.

Nothing else ends one: an agent may be away for as long as it likes, and its mail waits. So an operator says
when one that was renamed or removed is not to come back. It is refused while an instance lives, or anything
waits that the agent was sent or that it sent. Its state is the user's, and stays unless that is asked for;
tombstones stay, for they forbid. Should the agent come back, it enrols as if it had never been there.
"""

import socket
from collections.abc import Iterable

from redis.exceptions import ResponseError

from mas.audit import EventKind, Events
from mas.directory.records import RECORD, read_agent
from mas.errors import ForgetRefused, IntegrityError
from mas.ids import AgentId, InstanceId, agent_id
from mas.keys import Keys
from mas.redis import Redis, Script
from mas.registry.events import Event, Kind, encode_event
from mas.registry.left_mail import ANY, LIVES, WHO_LIVES, bury_mail
from mas.trust import Keyring

FORGET = Script(
    "forget",
    # KEYS: agents, outsiders, confined, agent, instances, shared stream, own ingress stream, ingress,
    #       circuit, rate limit, state, system channel, then the sets of its capabilities.
    # ARGV: agent, its registration as the caller saw it, event, 1 to do it and 0 to look only, 1 to delete
    #       its state too, how many submissions may be looked through; then templates of what an instance
    #       has, with @I for the instance: heartbeat, token hash, previous token hash, own stream; then
    #       instances that may be on no list.
    # Returns what stands in the way, and how much or whom; or 'done'.
    f"""#!lua
    {LIVES}
    local agent = ARGV[1]
    if redis.call('EXISTS', KEYS[4], KEYS[5], KEYS[6], KEYS[7]) == 0
      and redis.call('SISMEMBER', KEYS[1], agent) == 0 then return {{'unknown', ''}} end
    if (redis.call('HGET', KEYS[4], 'record') or '') ~= ARGV[2] then return {{'changed', ''}} end
    local outside = redis.call('SISMEMBER', KEYS[2], agent) == 1
    local instances = redis.call('SMEMBERS', KEYS[5])
    for i = 11, #ARGV do instances[#instances + 1] = ARGV[i] end
    local living = who_lives(outside, instances, ARGV[7], ARGV[8])
    if living then return {{outside and 'enrolled' or 'lives', living}} end
    -- What was settled half, acknowledged and not yet removed, is no mail any more.
    local mail, handed = redis.call('XLEN', KEYS[6]), false
    if mail > 0 then
      for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[6])) do
        local told = {{}}
        for i = 1, #group, 2 do told[group[i]] = group[i + 1] end
        local fresh = redis.call('XRANGE', KEYS[6], '(' .. told['last-delivered-id'], '+', 'COUNT', 1)
        handed = told.pending == 0 and #fresh == 0
      end
      if not handed then return {{'mail', mail}} end
    end
    local submitted = redis.call('XLEN', KEYS[7])
    if submitted > 0 then return {{'submissions', submitted}} end
    local proves = false
    for _, instance in ipairs(instances) do
      proves = proves or redis.call('EXISTS', named(ARGV[8], instance), named(ARGV[9], instance)) > 0
    end
    -- Without a good token, what it submitted is refused, whether it is registered or not.
    local waiting = proves and redis.call('XLEN', KEYS[8]) or 0
    if waiting > tonumber(ARGV[6]) then return {{'busy', waiting}} end
    for _, entry in ipairs(waiting > 0 and redis.call('XRANGE', KEYS[8], '-', '+') or {{}}) do
      for i = 1, #entry[2], 2 do
        if entry[2][i] == 'agent' and entry[2][i + 1] == agent then return {{'submissions', 1}} end
      end
    end
    if ARGV[4] == '0' then return {{'done', ''}} end
    for _, instance in ipairs(instances) do
      for template = 7, 10 do redis.call('DEL', named(ARGV[template], instance)) end
    end
    redis.call('DEL', KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[9], KEYS[10])
    if ARGV[5] == '1' then redis.call('DEL', KEYS[11]) end
    for i = 1, 3 do redis.call('SREM', KEYS[i], agent) end
    for i = 13, #KEYS do redis.call('SREM', KEYS[i], agent) end
    redis.call('PUBLISH', KEYS[12], ARGV[3])
    return {{'done', redis.call('EXISTS', KEYS[11])}}
    """,
)
_MOST = 256
"""Submissions that are looked through in one call, which holds up Redis meanwhile."""
_WHY = {
    "unknown": "no agent of that id is registered",
    **WHO_LIVES,
    "mail": "{0} deliveries wait or are pending in its stream; start the agent to have them handled, or "
    "--with-mail makes them dead letters",
    "submissions": "what it submitted waits to be decided; try again when the gateways have",
    "busy": "what it submitted may be among {0} submissions that wait to be decided; try again later",
}


async def forget(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    agent: AgentId,
    *,
    with_state: bool = False,
    with_mail: float = 0,
    actor: str = "",
) -> bool:
    """End an agent's registration, in one step: a message to it is TARGET_UNKNOWN from the next commit on.

    :param with_state: delete what it stored as well
    :param with_mail: first have what waits for it made dead letters, and wait so many seconds for that; 0 to
        refuse instead
    :param actor: whom the audit trail is to name
    :returns: whether a state of it is still kept
    :raises InvalidId: if no agent can be called so
    :raises ForgetRefused: if it is not registered, an instance of it lives, or something waits; nothing is
        changed then
    :raises RedisUnavailable: if Redis does not answer; it may have happened, and may be repeated
    :raises redis.exceptions.ResponseError: if Redis refuses, as where it does not let its users be deleted
    """
    agent_id(agent)
    events = Events(redis, keys, keyring, f"operator at {socket.gethostname()}", brief=True)
    if with_mail > 0:

        async def audit(what: str) -> None:
            await events.write(EventKind.CONTROL, agent, actor=actor, detail=what)

        await bury_mail(redis, keys, keyring, agent, actor=actor, within=with_mail, audit=audit)
    # First a look: Redis users cannot be deleted in the same step, and whoever may go on keeps its own.
    await _step(redis, keys, keyring, agent, do=False)
    # Before it happens: of an end that a lost connection hides, this says who wanted it.
    await events.write(EventKind.CONTROL, agent, actor=actor, detail="forget")
    strangers = await _shut_out_all(redis, keys, agent)
    kept = await _step(redis, keys, keyring, agent, strangers, do=True, with_state=with_state)
    await events.write(EventKind.FORGOTTEN, agent, actor=actor, detail="its state is kept" if kept else "")
    return kept


async def _step(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    agent: AgentId,
    more: Iterable[InstanceId] = (),
    *,
    do: bool,
    with_state: bool = False,
) -> bool:
    while True:
        seen = await redis.call("HGET", keys.agent(agent), RECORD) or b""
        places = [
            keys.agents,
            keys.outsiders,
            keys.confined,
            keys.agent(agent),
            keys.instances(agent),
            keys.stream(agent),
            keys.ingress_of(agent),
            keys.ingress,
            keys.circuit(agent),
            keys.rate_limit(agent),
            keys.state(agent),
            keys.system,
            *map(keys.capability, _offers(keys, keyring, agent, seen)),
        ]
        word, about = await redis.run_script(
            FORGET,
            places,
            [
                agent,
                seen,
                encode_event(Event(Kind.DEREGISTER, agent)),
                int(do),
                int(with_state),
                _MOST,
                keys.heartbeat(agent, ANY),
                keys.token_hash(agent, ANY),
                keys.previous_token_hash(agent, ANY),
                keys.instance_stream(agent, ANY),
                *more,
            ],
        )
        if word == b"done":
            return bool(about)
        if word != b"changed":
            name = about.decode("utf-8", "replace") if isinstance(about, bytes) else about
            raise ForgetRefused(agent, _WHY[word.decode()].format(name, agent))


async def _shut_out_all(redis: Redis, keys: Keys, agent: AgentId) -> list[InstanceId]:
    """Delete the Redis users that are still there of an agent without instances; return whose they were.

    They could write its sign of life and its submissions, and so bring back keys that nobody would end.
    """
    try:
        found = await redis.call("ACL", "USERS")
    except ResponseError:
        listed = [redis.post("SISMEMBER", place, agent) for place in (keys.outsiders, keys.confined)]
        if any([await reply.result() for reply in listed]):
            raise
        return []  # Where it never had one, no say over Redis' users is needed.
    names = (name.decode("utf-8", "replace") for name in found)
    users = [
        name
        for name in names
        if keys.is_redis_user(name, redis.endpoint.db) and keys.whose_redis_user(name)[0] == agent
    ]
    if users:
        await redis.call("ACL", "DELUSER", *users)
    return [keys.whose_redis_user(name)[1] for name in users]


def _offers(keys: Keys, keyring: Keyring, agent: AgentId, stored: bytes) -> tuple[str, ...]:
    try:
        return read_agent(keyring.record, keys, agent, stored).capabilities
    except IntegrityError:
        return ()
