"""Consumer-group streams: what every reader of one does, whoever it is.

backlog  what a consumer already owns, read again without counting it as started
groups   a group exists, and begins at the beginning
entries  what a read returned, field by field
lease    hold an entry longer; count a start; hand it back; only while it is still ours
settle   acknowledge and remove, only what is still ours
reclaim  take over what the dead left
claims   all that one consumer does, with scripts or without
retire   delete a consumer, only when it holds nothing
"""

from mas.bus.backlog import BACKLOG, Held, backlog
from mas.bus.claims import BareClaims, Claims, FencedClaims
from mas.bus.entries import Entry, entries_of, value_of
from mas.bus.groups import OWN_GROUP, ensure_group
from mas.bus.lease import ATTEMPT, HAND_BACK, HANDED_BACK, RENEW
from mas.bus.reclaim import TAKE_OVER, TRIMMED, Reclaimed, reclaim
from mas.bus.retire import RETIRE
from mas.bus.settle import SETTLE

SCRIPTS = (ATTEMPT, BACKLOG, HAND_BACK, OWN_GROUP, RENEW, RETIRE, SETTLE, TAKE_OVER)

__all__ = [
    "ATTEMPT",
    "BACKLOG",
    "HANDED_BACK",
    "HAND_BACK",
    "OWN_GROUP",
    "RENEW",
    "RETIRE",
    "SCRIPTS",
    "SETTLE",
    "TAKE_OVER",
    "TRIMMED",
    "BareClaims",
    "Claims",
    "Entry",
    "FencedClaims",
    "Held",
    "Reclaimed",
    "backlog",
    "ensure_group",
    "entries_of",
    "reclaim",
    "value_of",
]
