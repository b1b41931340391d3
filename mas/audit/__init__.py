"""The audit trail: what was decided, in a form that shows tampering."""

from mas.audit.record import AuditRecord, Counter

__all__ = ["AuditRecord", "Counter"]
