"""See every runner's supervision tree from anywhere, and steer it.

A runner puts its tree into Redis and listens for commands; an operator who holds the deployment's secret
reads the one and sends the other. Both are MACed: Redis carries them, and is not believed.

words     what is said: a command, its answer, a tree
bulletin  the runner's side: its tree, put up whenever it changes
listener  the runner's side: takes commands that are what they must be
deeds     does what a command says
operator  the other side: who runs, and what became of a command
"""

from mas.steering.bulletin import Bulletin, new_runner_name
from mas.steering.listener import Listener
from mas.steering.operator import Operator
from mas.steering.words import Answer, Command, Do, Node, Runner, node_of

__all__ = [
    "Answer",
    "Bulletin",
    "Command",
    "Do",
    "Listener",
    "Node",
    "Operator",
    "Runner",
    "new_runner_name",
    "node_of",
]
