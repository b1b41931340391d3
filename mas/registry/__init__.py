"""The MAS service: who is there, who lives, who left.

enrolment  an instance joins and leaves
heartbeat  one beat for all instances of a process
health     finds those that died without leaving
roster     the instances of one process, together
events     what happens to agents, told on `mas.system`
reporter   what a supervision tree goes through, told there too, and counted
"""

from mas.registry.enrolment import ENROL, LEAVE, enrol, leave
from mas.registry.events import Event, Kind, encode_event
from mas.registry.health import DEAD, HealthMonitor
from mas.registry.heartbeat import BEAT, Heartbeat
from mas.registry.reporter import Counts, Reporter, Who
from mas.registry.roster import Roster

SCRIPTS = (BEAT, DEAD, ENROL, LEAVE)

__all__ = [
    "SCRIPTS",
    "Counts",
    "Event",
    "HealthMonitor",
    "Heartbeat",
    "Kind",
    "Reporter",
    "Roster",
    "Who",
    "encode_event",
    "enrol",
    "leave",
]
