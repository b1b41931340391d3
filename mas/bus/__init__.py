"""Consumer-group streams: what every reader of one does, whoever it is.

backlog  what a consumer already owns, read again without counting it as started
groups   a group exists, and begins at the beginning
entries  what a read returned, field by field
lease    hold an entry longer; count a start, or take it back; only while it is still ours
settle   acknowledge and remove, only what is still ours
reclaim  take over what the dead left
claims   all that one consumer does, with scripts or without
retire   delete a consumer, only when it holds nothing
"""

from mas.bus.backlog import BACKLOG, Held, backlog
from mas.bus.claims import BareClaims, Claims, FencedClaims
from mas.bus.entries import Entry, entries_of, value_of
from mas.bus.groups import OWN_GROUP, ensure_group
from mas.bus.lease import ATTEMPT, NOT_STARTED, RENEW
from mas.bus.reclaim import TAKE_OVER, reclaim
from mas.bus.retire import RETIRE
from mas.bus.settle import SETTLE

SCRIPTS = (ATTEMPT, BACKLOG, NOT_STARTED, OWN_GROUP, RENEW, RETIRE, SETTLE, TAKE_OVER)

__all__ = [
    "ATTEMPT",
    "BACKLOG",
    "NOT_STARTED",
    "OWN_GROUP",
    "RENEW",
    "RETIRE",
    "SCRIPTS",
    "SETTLE",
    "TAKE_OVER",
    "BareClaims",
    "Claims",
    "Entry",
    "FencedClaims",
    "Held",
    "backlog",
    "ensure_group",
    "entries_of",
    "reclaim",
    "value_of",
]
