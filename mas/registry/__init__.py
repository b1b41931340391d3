"""The MAS service: who is there, who lives, who left, and who may not come back.

enrolment   an instance joins and leaves
revocation  an agent is shut out, and let in again; tombstone_keeper and tombstone_file see that it lasts
forgetting  a registration ends; left_mail: what waits for it is buried first
heartbeat   one beat for all instances of a process
health      finds those that died without leaving
roster      the instances of one process, together; guest is one that joins for a moment
grants      leave to enrol one instance, once, without the secret
listing     all that is known of them, for people
outsiders   agents that run elsewhere: their credentials, and who lets them in
redis_users users of their own in Redis, for those and for agents' processes; redis_rights: what they may
events      what happens to agents, told on `mas.system`
reporter    what a supervision tree goes through, told there too, and counted
"""

from mas.registry.credentials import Credentials
from mas.registry.enrolment import ENROL, HEARTBEAT_LIFE, LEAVE, Enrolled, Lives, enrol, leave
from mas.registry.events import Event, Kind, encode_event
from mas.registry.forgetting import FORGET, forget
from mas.registry.grants import GrantFile, GrantKeeper, issue_grant, redeem
from mas.registry.guest import Guest, visiting
from mas.registry.health import DEAD, HealthMonitor
from mas.registry.heartbeat import BEAT, Heartbeat
from mas.registry.left_mail import HOLD
from mas.registry.listing import list_agents
from mas.registry.outsiders import RELIST, OutsiderKeeper, enrol_outsider
from mas.registry.redis_users import shut_out
from mas.registry.reporter import Counts, Reporter, Who
from mas.registry.revocation import BURY, Revocation, lift, revoke
from mas.registry.roster import Roster
from mas.registry.tombstone_file import TombstoneFile
from mas.registry.tombstone_keeper import TombstoneKeeper

SCRIPTS = (BEAT, BURY, DEAD, ENROL, FORGET, HOLD, LEAVE, RELIST)

__all__ = [
    "HEARTBEAT_LIFE",
    "SCRIPTS",
    "Counts",
    "Credentials",
    "Enrolled",
    "Event",
    "GrantFile",
    "GrantKeeper",
    "Guest",
    "HealthMonitor",
    "Heartbeat",
    "Kind",
    "Lives",
    "OutsiderKeeper",
    "Reporter",
    "Revocation",
    "Roster",
    "TombstoneFile",
    "TombstoneKeeper",
    "Who",
    "encode_event",
    "enrol",
    "enrol_outsider",
    "forget",
    "issue_grant",
    "leave",
    "lift",
    "list_agents",
    "redeem",
    "revoke",
    "shut_out",
    "visiting",
]
