"""Agents, instances, capabilities, credentials and permissions: records, and a read-only mirror.

records     registrations and enrolments, each with its MAC
policy      who may message whom
grants      from the permissions of the configuration to rules
keeper      the policy stands in Redis as the configuration says
tombstones  who was revoked
mirror      the gateway's picture of all this
"""

from mas.directory.grants import rules_of
from mas.directory.keeper import PolicyKeeper
from mas.directory.mirror import Mirror, Sender
from mas.directory.policy import Policy, Rule, Ruling, read_policy, write_policy
from mas.directory.records import AgentRecord, InstanceRecord, instance_field, store
from mas.directory.tombstones import Tombstone, Tombstones, read_tombstone, tombstone_field, write_tombstone

__all__ = [
    "AgentRecord",
    "InstanceRecord",
    "Mirror",
    "Policy",
    "PolicyKeeper",
    "Rule",
    "Ruling",
    "Sender",
    "Tombstone",
    "Tombstones",
    "instance_field",
    "read_policy",
    "read_tombstone",
    "rules_of",
    "store",
    "tombstone_field",
    "write_policy",
    "write_tombstone",
]
