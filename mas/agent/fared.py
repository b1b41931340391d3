"""How handlers fared: every start of one, in all instances that live here or in a process kept from here."""


class Fared:
    """Counts since the process began.

    :ivar handled: messages whose handler returned
    :ivar failed: starts of a handler that raised
    :ivar retried: starts after the first
    :ivar given_up: messages reported as dead
    :ivar trimmed: deliveries that somebody trimmed or deleted while they were pending
    """

    __slots__ = ("failed", "given_up", "handled", "retried", "trimmed")

    def __init__(self) -> None:
        self.handled = self.failed = self.retried = self.given_up = self.trimmed = 0
