"""Every exception a user of MAS may catch.

MasError
├── ConfigurationError      a YAML file, variable or argument is wrong: what, where, how to mend it
├── InvalidId               an agent, instance or message id that could not be a key
├── RedisUnavailable        no answer within the time allowed; the command may or may not have happened
│   └── RedisTooOld         the server answers, but lacks what MAS needs
├── IntegrityError          a stored record does not carry the seal it must
├── EnrolmentRefused        an agent may not join
├── ForgetRefused           a registration may not be ended yet: something of it is still needed
├── MessageRefused          the gateway decided against a message; carries the decision and its reason
├── RequestTimeout          nobody replied in time (also a TimeoutError)
├── NotARequest             a reply to a message whose sender did not ask for one
├── PayloadInvalid          a payload does not fit the model it was meant for (also a ValueError)
├── ProcessFailed           an agent's own process was killed, or ended by itself
└── SupervisionError
    ├── UnknownChild        no child has that path (also a LookupError)
    ├── StartFailed         a child raised, returned or took too long before it was ready
    ├── RestartsExhausted   a child failed more often than its budget allows
    └── StopOverrun         a child ignored its cancellation
"""

from mas.decision import Decision

_ID_RULE = "1 to 128 letters, digits, '_', '.' or '-', beginning with a letter or digit and not with 'mas.'"


class MasError(Exception):
    """The root of the tree: catch it to catch whatever MAS itself raises."""


class ConfigurationError(MasError):
    """Something the user wrote cannot be used.

    :param problem: what is wrong, in one sentence
    :param where: file, line and key path, as far as they are known
    :param hint: how to mend it
    """

    def __init__(self, problem: str, *, where: str = "", hint: str = "") -> None:
        self.problem, self.where, self.hint = problem, where, hint
        super().__init__(f"{where}: {problem}" if where else problem, *([hint] if hint else []))

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{text} ({self.hint})" if self.hint else text


class InvalidId(MasError, ValueError):
    """An id, or another name, with characters or a length that must never become part of a key.

    :param rule: what such a name is made of
    """

    def __init__(self, kind: str, value: object, rule: str = _ID_RULE) -> None:
        self.kind, self.value = kind, value
        shown = ascii(value)
        if len(shown) > 60:
            shown = f"{shown[:57]}..."
        super().__init__(f"{shown} is not a valid {kind}: use {rule}")


class RedisUnavailable(MasError):
    """Redis did not answer in time, or the connection broke while an answer was due.

    The command may have happened all the same: whoever repeats it must be able to afford both.

    :param hint: how to mend it, where that is known
    """

    def __init__(self, problem: str, *, hint: str = "") -> None:
        self.problem, self.hint = problem, hint
        super().__init__(problem)


class RedisTooOld(RedisUnavailable):
    """The server is older than Redis 7.0 or Valkey 7.2, which brought key-scoped ACL selectors."""


class IntegrityError(MasError):
    """What is stored is not what was written, or not by who should have: its MAC is wrong, or it is damaged.

    :param what: the record, by key and, where it has one, field; or a line of a file
    """

    def __init__(self, what: str, problem: str = "its MAC is missing or wrong") -> None:
        self.what, self.problem = what, problem
        super().__init__(f"{what}: {problem}")


class EnrolmentRefused(MasError):
    """An agent may not join: it was revoked, or what it showed does not entitle it.

    :param agent_id: who asked
    """

    def __init__(self, agent_id: str, reason: str) -> None:
        self.agent_id, self.reason = agent_id, reason
        super().__init__(f"{agent_id} may not enrol: {reason}")


class ForgetRefused(MasError):
    """A registration may not be ended: an instance lives, something waits, or there is none.

    :param agent_id: whose it is
    """

    def __init__(self, agent_id: str, reason: str) -> None:
        self.agent_id, self.reason = agent_id, reason
        super().__init__(f"{agent_id} is not forgotten: {reason}")


class MessageRefused(MasError):
    """The gateway decided against a message.

    Not a failure of transport: the decision is final and in the audit trail. See `decision` for
    which policy said no and `reason` for why.

    :param retry_after: seconds until the same message could pass, where that is known
    """

    def __init__(
        self, decision: Decision, reason: str, *, message_id: str = "", retry_after: float | None = None
    ) -> None:
        self.decision, self.reason = decision, reason
        self.message_id, self.retry_after = message_id, retry_after
        super().__init__(f"{decision}: {reason}")


class RequestTimeout(MasError, TimeoutError):
    """Nobody replied within the time the requester allowed.

    The request may still be handled later; a late reply is dropped.
    """

    def __init__(self, target_id: str, message_type: str, seconds: float) -> None:
        self.target_id, self.message_type, self.seconds = target_id, message_type, seconds
        super().__init__(f"no reply from {target_id} to {message_type} within {seconds:g} s")


class NotARequest(MasError):
    """A handler replied to a message that was sent, not asked: its sender waits for nothing."""

    def __init__(self, message_type: str, sender_id: str) -> None:
        self.message_type, self.sender_id = message_type, sender_id
        super().__init__(f"{sender_id} sent {message_type} without asking for a reply; send to it instead")


class PayloadInvalid(MasError, ValueError):
    """A payload does not fit the model declared for its message type or state."""

    def __init__(self, what: str, problem: str) -> None:
        self.what, self.problem = what, problem
        super().__init__(f"{what}: {problem}")


class ProcessFailed(MasError):
    """An agent's own process ended without having been told to.

    :param agent: the instance's name
    :param pid: its process id
    :param signal: the name of the signal that ended it, such as SIGKILL; "" if none did
    """

    def __init__(self, agent: str, pid: int, problem: str, *, signal: str = "") -> None:
        self.agent, self.pid, self.signal = agent, pid, signal
        super().__init__(f"{agent} (process {pid}) {problem}")


class SupervisionError(MasError):
    """A child of a supervisor failed in a way its supervisor could not mend."""

    def __init__(self, child: str, problem: str) -> None:
        self.child, self.problem = child, problem
        super().__init__(f"{child} {problem}")


class UnknownChild(SupervisionError, LookupError):
    """A path that leads to no child.

    :param path: what was asked for
    :param supervisor: who has no such child
    :param nearest: the child probably meant, if one is close
    """

    def __init__(self, path: str, supervisor: str, nearest: str = "") -> None:
        self.supervisor, self.nearest = supervisor, nearest
        hint = f"; did you mean {nearest}?" if nearest else ""
        super().__init__(path, f"is not a child of {supervisor}{hint}")


class StartFailed(SupervisionError):
    """A child raised, returned, or ran out of time before it said that it was ready."""


class RestartsExhausted(SupervisionError):
    """A child failed more often within its period than its budget allows."""

    def __init__(self, child: str, restarts: int, within: float) -> None:
        self.restarts, self.within = restarts, within
        super().__init__(child, f"failed again after {restarts} restarts within {within:g} s")


class StopOverrun(SupervisionError):
    """A child was cancelled and still runs after its shutdown time."""

    def __init__(self, child: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(child, f"ignored its cancellation for {seconds:.3g} s")
