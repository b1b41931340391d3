"""Reading records in a process of its own, to examine or to archive them, while many are written.

The process that commits has a core to fill with commits; what reading its records costs is taken off it as
soon as that is worth a process. The chain, the key that signs it and the lease stay where they are.

words   what the two processes say to each other
clerk   the owner's side: when there is a process, and what it is asked
child   the process's side: do it, and tell what came of it
"""

from mas.audit.apart.clerk import Clerk, NoAnswer
from mas.audit.apart.words import Spec

__all__ = ["Clerk", "NoAnswer", "Spec"]
