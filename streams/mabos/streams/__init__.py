"""Who watches: what the topics say when they are read from one end to the other."""

from mabos.streams.audit import Audit, AuditReport

__all__ = ["Audit", "AuditReport"]
