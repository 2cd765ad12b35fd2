"""Examine what a server is about to stand on, and say of each thing that is wrong what to do."""

from gosynq_server.doctor.examination import examine
from gosynq_server.doctor.findings import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]
