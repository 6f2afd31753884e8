"""Who watches: what the topics say when they are read from one end to the other."""

from mabos.streams.audit import Finding
from mabos.streams.auditor import Auditor, AuditRange
from mabos.streams.report import AuditReport

__all__ = ["AuditRange", "AuditReport", "Auditor", "Finding"]
