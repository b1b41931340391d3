"""How handlers fared in an instance's own process: told to its owner now and then, as far as it is news.

What is told is what was counted since it was told last. So nothing is lost with a line that found no room,
and a process that takes another's place counts on.
"""

from collections.abc import Callable

from mas.agent.fared import Fared
from mas.agent.process.words import Counted, encode


class Counting:
    """The process's side.

    :param offer: writes a line to the owner if it goes out at once, and says whether it did
    :ivar fared: where to count; what was told is taken off
    """

    def __init__(self, offer: Callable[[bytes], bool]) -> None:
        self._offer, self.fared = offer, Fared()

    def beat(self, now: float) -> None:
        """Tell; see `mas.agent.pulse`."""
        del now
        self.tell()

    def tell(self) -> None:
        """Tell what is new, if anything is, without ever waiting for an owner that does not listen."""
        news = Counted(**{outcome: getattr(self.fared, outcome) for outcome in _OUTCOMES})
        if news != _NOTHING and self._offer(encode(news)):
            for outcome in _OUTCOMES:
                setattr(self.fared, outcome, 0)


def add(news: Counted, fared: Fared) -> None:
    """Count at the owner's side what its process told."""
    for outcome in _OUTCOMES:
        setattr(fared, outcome, getattr(fared, outcome) + getattr(news, outcome))


_OUTCOMES = Counted.__struct_fields__
_NOTHING = Counted()
