import string
from collections.abc import Iterator

import pytest

from gosynq.v1 import error_reason_pb2
from gosynq_server.domain import errors
from gosynq_server.domain.errors import FieldViolation, FilterInvalid, GosynqError, ValidationFailed


def classes_under(root: type[GosynqError]) -> Iterator[type[GosynqError]]:
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from classes_under(child)


CLASSES: list[type[GosynqError]] = [GosynqError, *classes_under(GosynqError)]


@pytest.mark.parametrize("error", CLASSES)
def test_every_reason_is_in_the_contract(error: type[GosynqError]) -> None:
    assert (
        f"ERROR_REASON_{error.reason}" in error_reason_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"].values_by_name
    )


@pytest.mark.parametrize("error", [error for error in CLASSES if not issubclass(error, ValidationFailed)])
def test_a_message_is_the_docstring_with_the_facts_in_it(error: type[GosynqError]) -> None:
    names = [name for _, name, _, _ in string.Formatter().parse(error.__doc__ or "") if name]
    facts = {name: f"<{name}>" for name in names}

    refusal = error(**facts)

    assert str(refusal) == (error.__doc__ or "").replace("{", "<").replace("}", ">")
    assert refusal.metadata == facts


def test_facts_are_kept_as_text_and_braces_in_them_stay() -> None:
    refusal = FilterInvalid(position=3, problem="{x} is {no} field")

    assert str(refusal) == "The filter does not parse at position 3: {x} is {no} field."
    assert refusal.metadata == {"position": "3", "problem": "{x} is {no} field"}


def test_facts_that_the_message_does_not_name_are_kept_too() -> None:
    assert errors.ServerDraining(address="a").metadata == {"address": "a"}


def test_a_failed_validation_names_its_one_violation() -> None:
    violation = FieldViolation(field="queue", description="must not be empty")

    refusal = ValidationFailed((violation,))

    assert str(refusal) == "queue: must not be empty."
    assert refusal.violations == (violation,)
    assert refusal.metadata == {}


def test_a_failed_validation_names_the_first_violation_and_counts_the_others() -> None:
    violations = tuple(FieldViolation(field=f"jobs[{n}].queue", description="must not be empty") for n in range(3))

    refusal = ValidationFailed(violations)

    assert str(refusal) == "jobs[0].queue: must not be empty (and 2 more)."
    assert refusal.violations == violations
