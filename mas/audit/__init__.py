"""The audit trail: what was decided, in a form that shows tampering.

record      one decision, and the numbers that make a missing one show
events      what else touches security
trails      where both are, and under which key
entry       an entry's digest and head; `continuity` of the numbers
draft       what is examined of a range; `look` reads it, `apart` has it done in a process of its own
seal        the links of the chain; `author` writes them, `signing` and `keyfile` hold their key
chain       the chain in Redis; `sink` for seals outside
sealer      follows, seals, archives; `handout` to the sink
archive     old records into files, then out of Redis
keyfile     the key on the disk; `handover` to its successor
lines       a trail as text; `source` reads one, live or from a file
verify      is it as it was written? `difference` names the entry, `report` says it
query       which records match; `entire` has archives searched too; `ending` is the last, and what comes
export      for other tools; `holdings` says how much there is
payload     encrypted payloads, where they are kept; `moment` writes times
door        the one way in for readers, which records them first; `actor` names them
access      all of this for one deployment; `opening` makes one of its configuration
"""

from mas.audit.access import AuditTrail, outside_seals, query_file, verify_file
from mas.audit.apart import Clerk, Spec
from mas.audit.chain import APPEND, TRIM
from mas.audit.events import EventKind, Events, SecurityEvent
from mas.audit.opening import open_trail
from mas.audit.places import Places
from mas.audit.query import Filter, Found
from mas.audit.record import AuditRecord, Counter
from mas.audit.report import Report
from mas.audit.seal import Flaw
from mas.audit.sealer import Sealer
from mas.audit.signing import PublicKeys
from mas.audit.trails import Trail, trail_key
from mas.redis.lease import KEEP, LET_GO

SCRIPTS = (APPEND, KEEP, LET_GO, TRIM)

__all__ = [
    "SCRIPTS",
    "AuditRecord",
    "AuditTrail",
    "Clerk",
    "Counter",
    "EventKind",
    "Events",
    "Filter",
    "Flaw",
    "Found",
    "Places",
    "PublicKeys",
    "Report",
    "Sealer",
    "SecurityEvent",
    "Spec",
    "Trail",
    "open_trail",
    "outside_seals",
    "query_file",
    "trail_key",
    "verify_file",
]
