"""Agents, instances, capabilities, credentials and permissions: records, and a read-only mirror.

records     registrations and enrolments, each with its MAC
policy      who may message whom
access      the same as a table
grants      from the permissions of the configuration to rules
authorization  changes to it, in Python, applied together
keeper      the policy stands in Redis as the configuration says
tombstones  who was revoked
mirror      the gateway's picture of all this
"""

from mas.directory.access import Access, accesses
from mas.directory.authorization import Authorization
from mas.directory.grants import rules_of
from mas.directory.keeper import REPLACE, PolicyKeeper
from mas.directory.mirror import Mirror, Sender
from mas.directory.policy import Policy, Rule, Ruling, described, read_policy, write_policy
from mas.directory.records import AgentRecord, InstanceRecord, instance_field, store
from mas.directory.tombstones import Tombstone, Tombstones, read_tombstone, tombstone_field, write_tombstone

SCRIPTS = (REPLACE,)

__all__ = [
    "SCRIPTS",
    "Access",
    "AgentRecord",
    "Authorization",
    "InstanceRecord",
    "Mirror",
    "Policy",
    "PolicyKeeper",
    "Rule",
    "Ruling",
    "Sender",
    "Tombstone",
    "Tombstones",
    "accesses",
    "described",
    "instance_field",
    "read_policy",
    "read_tombstone",
    "rules_of",
    "store",
    "tombstone_field",
    "write_policy",
    "write_tombstone",
]
