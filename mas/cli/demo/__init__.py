"""`mas demo`: a bakery of three agents, played in a few seconds on a server of its own.

agents  who they are, written as anyone would
play    what happens to them
screen  how it is shown
"""

from mas.cli.demo.play import show_demo

__all__ = ["show_demo"]
