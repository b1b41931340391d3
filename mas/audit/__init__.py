"""The audit trail: what was decided, in a form that shows tampering.

record  one decision, and the numbers that make a missing one show
events  what touches security and is no message
"""

from mas.audit.events import EventKind, Events, SecurityEvent
from mas.audit.record import AuditRecord, Counter

__all__ = ["AuditRecord", "Counter", "EventKind", "Events", "SecurityEvent"]
