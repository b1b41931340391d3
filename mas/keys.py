"""The only place where a Redis key, channel or group name is spelled.

Scripts get finished keys from here; nobody else joins strings into one. The ids that go in have
passed `mas.ids`, so none can contain a separator.
"""

from mas.ids import AgentId, InstanceId, MessageId

GATEWAY_GROUP = "gateway"
AGENT_GROUP = "agents"
REPLAY_BLOCK = 8192
"""Sequence numbers per bitmap: one kilobyte when full."""


def _mark(database: int) -> str:
    """Return what the names of Redis users end with in a database; no id can hold it."""
    return f"@{database}" if database else ""


class Keys:
    """Every key of one system.

    :param namespace: a prefix that keeps several systems in one Redis apart; empty for none
    """

    __slots__ = (
        "agents",
        "audit_messages",
        "audit_sealed",
        "audit_sealer",
        "audit_seals",
        "audit_security",
        "confined",
        "dead_letters",
        "dead_letters_archiver",
        "gateways",
        "grants",
        "ingress",
        "namespace",
        "nothing",
        "outsiders",
        "policy",
        "prefix",
        "runners",
        "system",
        "tombstones",
    )

    def __init__(self, namespace: str = "") -> None:
        self.namespace = namespace
        self.prefix = p = f"{namespace}:" if namespace else ""
        self.ingress = f"{p}mas.gateway.ingress"
        self.gateways = f"{p}mas.gateways"
        self.nothing = f"{p}mas.nothing"
        self.agents = f"{p}mas.agents"
        self.grants = f"{p}mas.grants"
        self.outsiders = f"{p}mas.outsiders"
        self.confined = f"{p}mas.confined"
        self.runners = f"{p}mas.runners"
        self.tombstones = f"{p}mas.tombstones"
        self.policy = f"{p}mas.policy"
        self.system = f"{p}mas.system"
        self.audit_messages = f"{p}audit:messages"
        self.audit_security = f"{p}audit:security_events"
        self.audit_seals = f"{p}audit:seals"
        self.audit_sealed = f"{p}audit:sealed"
        self.audit_sealer = f"{p}audit:sealer"
        self.dead_letters = f"{p}dlq:messages"
        self.dead_letters_archiver = f"{p}dlq:archiver"

    def ingress_of(self, agent: AgentId) -> str:
        """Name the ingress stream of an agent that has one of its own."""
        return f"{self.prefix}mas.gateway.ingress:{agent}"

    def gateway_lease(self, gateway: str) -> str:
        """Name the string whose presence says that a gateway is alive."""
        return f"{self.prefix}mas.gateway.lease:{gateway}"

    def stream(self, agent: AgentId) -> str:
        """Name the delivery stream that all instances of an agent share."""
        return f"{self.prefix}agent.stream:{agent}"

    def instance_stream(self, agent: AgentId, instance: InstanceId) -> str:
        """Name the stream of one instance: its replies and notices."""
        return f"{self.prefix}agent.stream:{agent}:{instance}"

    def agent(self, agent: AgentId) -> str:
        """Name the registration hash."""
        return f"{self.prefix}agent:{agent}"

    def instances(self, agent: AgentId) -> str:
        """Name the set of an agent's instances."""
        return f"{self.prefix}agent:{agent}:instances"

    def heartbeat(self, agent: AgentId, instance: InstanceId) -> str:
        """Name the string whose presence says that an instance is alive."""
        return f"{self.prefix}agent:{agent}:heartbeat:{instance}"

    def token_hash(self, agent: AgentId, instance: InstanceId) -> str:
        """Name the string that makes an instance's token valid."""
        return f"{self.prefix}agent:{agent}:token_hash:{instance}"

    def previous_token_hash(self, agent: AgentId, instance: InstanceId) -> str:
        """Name the string that keeps an instance's token before the last rotation valid for a while."""
        return f"{self.prefix}agent:{agent}:token_hash:{instance}:previous"

    def redis_user(self, agent: AgentId, instance: InstanceId, database: int = 0) -> str:
        """Name the Redis user of an instance that has one of its own.

        :param database: a server's users are those of all its databases, unlike its keys
        """
        return f"{self.prefix}mas.agent:{agent}:{instance}{_mark(database)}"

    def grant(self, grant: str) -> str:
        """Name the string that makes a grant good for one enrolment."""
        return f"{self.prefix}mas.grant:{grant}"

    def grant_asked(self, grant: str) -> str:
        """Name the string in which a grant's holder asks to be enrolled."""
        return f"{self.prefix}mas.grant:{grant}:asked"

    def grant_answer(self, grant: str) -> str:
        """Name the string in which the answer lies, readable by the grant's holder alone."""
        return f"{self.prefix}mas.grant:{grant}:answer"

    def grant_user(self, grant: str) -> str:
        """Name the Redis user that a grant opens."""
        return f"{self.prefix}mas.grant:{grant}"

    def probe_user(self, probe: str) -> str:
        """Name a Redis user that is made and deleted at once, to see whether that is allowed."""
        return f"{self.prefix}mas.probe:{probe}"

    def is_redis_user(self, name: str, database: int = 0) -> bool:
        """Say whether a Redis user's name is one that `redis_user` gives in this database."""
        begin, at, mark = name.partition("@")
        return begin.startswith(f"{self.prefix}mas.agent:") and at + mark == _mark(database)

    def whose_redis_user(self, name: str) -> tuple[AgentId, InstanceId]:
        """Return the instance that `redis_user` named so."""
        agent, _, instance = name.partition("@")[0].removeprefix(f"{self.prefix}mas.agent:").partition(":")
        return AgentId(agent), InstanceId(instance)

    def state(self, agent: AgentId) -> str:
        """Name the hash of an agent's state."""
        return f"{self.prefix}agent.state:{agent}"

    def capability(self, name: str) -> str:
        """Name the set of agents that offer a capability."""
        return f"{self.prefix}mas.capability:{name}"

    def rate_limit(self, agent: AgentId) -> str:
        """Name the hash of an agent's token buckets."""
        return f"{self.prefix}ratelimit:{agent}"

    def pair_rate_limit(self, sender: AgentId, target: AgentId) -> str:
        """Name the hash of the token buckets for what one agent sends to another."""
        return f"{self.prefix}ratelimit:{sender}:{target}"

    def replay(self, agent: AgentId, instance: InstanceId, sequence: int) -> str:
        """Name the bitmap that holds the mark of a submission's sequence number."""
        return f"{self.prefix}mas.replay:{agent}:{instance}:{sequence // REPLAY_BLOCK}"

    def answered(self, agent: AgentId, instance: InstanceId, sequence: int) -> str:
        """Name the bitmap that holds the mark of an answered request's sequence number."""
        return f"{self.prefix}mas.answered:{agent}:{instance}:{sequence // REPLAY_BLOCK}"

    def circuit(self, agent: AgentId) -> str:
        """Name the hash of a target's circuit."""
        return f"{self.prefix}circuit:{agent}"

    def chain(self, root: MessageId) -> str:
        """Name the count of the messages that one message caused."""
        return f"{self.prefix}mas.chain:{root}"

    def redriven(self, order: str) -> str:
        """Name the channel on which the outcome of one order to redrive is told."""
        return f"{self.prefix}mas.redriven:{order}"

    def ring(self, agent: AgentId) -> str:
        """Name the channel that tells an agent's processes of new mail."""
        return f"{self.prefix}mas.ring:{agent}"

    def runner(self, runner: str) -> str:
        """Name the string that holds a runner's tree, as of its last sign of life."""
        return f"{self.prefix}mas.runner:{runner}"

    def steering(self, runner: str) -> str:
        """Name the channel that an operator's commands to a runner come on."""
        return f"{self.prefix}mas.steering:{runner}"

    def steering_answer(self, command: str) -> str:
        """Name the list that the answer to one command is put into."""
        return f"{self.prefix}mas.steering.answer:{command}"
