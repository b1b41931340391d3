"""An agent's instance in an operating system process of its own.

words      what the two processes say to each other
isolated   the owner's side: starts the process, passes orders on, says how it ended
ending     what an exit status means
child      the process's side: one life of the instance, and the reports on it
counts     how its handlers fared, told to the owner
"""

from mas.agent.process.isolated import Isolated
from mas.agent.process.words import Spec

__all__ = ["Isolated", "Spec"]
