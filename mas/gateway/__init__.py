"""The gateway: every message passes it, and nothing reaches an agent but through it.

service     read, have it judged, read on; the one loop
judge       decide a batch, commit it, see to what was left undone; `news` keeps its mirror up to date
submission  one entry on its way to a decision
stages/     the policies, one a file; `pipeline` asks them in turn
batch       from submissions to one commit; `control` for messages to the gateway
orders      what the deployment itself orders: `redrive` a letter, bury what was `abandoned` or is `unwanted`
burial      what becomes of a delivery that will not be handled
measures    what the settings in force come to
writes      what a decision writes; `floods` what of it is passed over
commit      the one atomic step; `counts` what was committed, and `pace` how fast
lanes       which streams it reads
lease       which gateway am I; `takeover` of those that fell silent
"""

from mas.bus import SCRIPTS as BUS_SCRIPTS
from mas.gateway.commit import COMMIT
from mas.gateway.counts import DecisionCounts
from mas.gateway.pace import Histogram, Pace
from mas.gateway.service import BLOCK, Gateway
from mas.redis.lease import KEEP, LET_GO

SCRIPTS = (COMMIT, KEEP, LET_GO, *BUS_SCRIPTS)

__all__ = ["BLOCK", "SCRIPTS", "DecisionCounts", "Gateway", "Histogram", "Pace"]
