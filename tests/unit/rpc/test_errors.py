"""Every error of the domain has one code and one look on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain import errors
from gosynq_server.rpc.errors import CODES, STATUS_LIMIT, VIOLATION_LIMIT, code_of, cut, status_of

PROTO = Path(__file__).parents[3] / "proto" / "gosynq" / "v1" / "error_reason.proto"


def classes(root: type[errors.GosynqError] = errors.GosynqError) -> Iterator[type[errors.GosynqError]]:
    """Give the root and all of the domain below it that are raised: those with a reason of their own."""
    if root.__module__.startswith("gosynq_server.domain") and "reason" in vars(root):
        yield root
    for child in root.__subclasses__():
        yield from classes(child)


def codes_of_reasons() -> dict[str, str]:
    """Read the reasons of the contract and the codes that their comments begin with."""
    found = re.findall(r"((?: *//.*\n)+) *ERROR_REASON_(\w+) = [1-9]", PROTO.read_text())
    return {reason: comment.split("//")[1].split(".")[0].strip() for comment, reason in found}


def details(status: status_pb2.Status) -> dict[str, Any]:
    unpacked = {}
    for detail in status.details:
        message = getattr(error_details_pb2, detail.TypeName().removeprefix("google.rpc."))()
        assert detail.Unpack(message)
        unpacked[detail.TypeName().removeprefix("google.rpc.")] = message
    return unpacked


def violation(**changes: str) -> errors.FieldViolation:
    return errors.FieldViolation(**{"field": "job.queue", "description": "bad", "reason": "string.pattern"} | changes)


def test_the_contract_names_the_code_of_each_reason() -> None:
    assert len(codes_of_reasons()) > 30
    assert set(codes_of_reasons().values()) <= {code.name for code in grpc.StatusCode}


@pytest.mark.parametrize("error", sorted(set(classes()), key=str))
def test_every_error_comes_with_the_code_that_the_contract_names(error: type[errors.GosynqError]) -> None:
    assert CODES[error].name == codes_of_reasons()[error.reason]


def test_the_table_names_nothing_else() -> None:
    assert set(CODES) == set(classes())


def test_an_error_tells_its_reason_and_facts() -> None:
    error = errors.IdempotencyKeyReused(job_id="j", queue="q")

    status = status_of(error)

    assert code_of(error) is grpc.StatusCode.ALREADY_EXISTS
    assert (status.code, status.message) == (6, str(error))
    assert details(status) == {
        "ErrorInfo": error_details_pb2.ErrorInfo(
            reason="IDEMPOTENCY_KEY_REUSED", domain="gosynq", metadata={"job_id": "j", "queue": "q"}
        )
    }


def test_a_retryable_error_says_when() -> None:
    told = details(status_of(errors.DatabaseUnavailable()))

    assert told["RetryInfo"].retry_delay.ToTimedelta() == timedelta(seconds=1)
    assert told["ErrorInfo"].reason == "DATABASE_UNAVAILABLE"


def test_a_broken_rule_names_its_field() -> None:
    told = details(status_of(errors.ValidationFailed((violation(),))))["BadRequest"]

    assert told == error_details_pb2.BadRequest(
        field_violations=[{"field": "job.queue", "description": "bad", "reason": "string.pattern"}]
    )


def test_at_most_twenty_broken_rules_are_named() -> None:
    told = details(status_of(errors.ValidationFailed((violation(),) * 30)))["BadRequest"]

    assert len(told.field_violations) == VIOLATION_LIMIT


@given(
    violations=st.lists(
        st.builds(errors.FieldViolation, field=st.text(), description=st.text(max_size=600), reason=st.text()),
        min_size=1,
    ),
    factor=st.integers(1, 500),
)
def test_a_whole_status_stays_below_the_limit(violations: list[errors.FieldViolation], factor: int) -> None:
    long = [violation(field=item.field * factor, description=item.description * factor) for item in violations]

    assert status_of(errors.ValidationFailed(tuple(long))).ByteSize() <= STATUS_LIMIT


def test_the_longest_violations_and_facts_still_fit() -> None:
    longest = violation(field="ü" * 10_000, description="ü" * 10_000, reason="r" * 10_000)
    facts = errors.GosynqError(**{f"fact_{number}": "ü" * 10_000 for number in range(20)})

    assert details(status_of(errors.ValidationFailed((longest,) * 20)))["BadRequest"].field_violations
    assert status_of(errors.ValidationFailed((longest,) * 20)).ByteSize() <= STATUS_LIMIT
    assert status_of(facts).ByteSize() <= STATUS_LIMIT


@given(text=st.text(st.characters(codec=None)), limit=st.integers(3, 50))
def test_a_cut_text_fits_and_begins_as_it_did(text: str, limit: int) -> None:
    short = cut(text, limit)

    assert len(short.encode(errors="replace")) <= limit
    assert short == text or short.endswith("...")
