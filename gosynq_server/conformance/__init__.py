"""Examine a worker program of any language: a scripted server says, case by case, whether it keeps the contract."""

from gosynq_server.conformance.cases import CASES
from gosynq_server.conformance.kit import Examination, examine
from gosynq_server.conformance.reports import Case, Report, Verdict
from gosynq_server.conformance.timing import Timing

__all__ = ["CASES", "Case", "Examination", "Report", "Timing", "Verdict", "examine"]
