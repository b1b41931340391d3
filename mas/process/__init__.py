"""A process of our own that serves this one, and ends with it whatever becomes of either.

owned      the owner's side: starts it, says lines to it and hears lines from it, leaves none behind
serving    the process's side: the same two pipes from their other ends
lifeline   the process ends when its owner does, whatever it is doing
lines      whole lines out of bytes as they come
"""

from mas.process.lines import Lines
from mas.process.owned import Owned, open_owned
from mas.process.serving import Serving

__all__ = ["Lines", "Owned", "Serving", "open_owned"]
