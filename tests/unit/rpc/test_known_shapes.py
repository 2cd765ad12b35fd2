"""An enqueue that is like one that kept the rules keeps them too: what is remembered never stands in for a rule."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from protovalidate import collect_violations

from gosynq.v1.job_pb2 import JobSpec, RetryPolicy
from gosynq.v1.job_service_pb2 import EnqueueJobRequest
from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.rpc import known_shapes
from gosynq_server.rpc.known_shapes import KnownShapes

TEXTS = st.one_of(
    st.sampled_from(
        ["", "q", "mail.out", "-q", "q" * 128, "q" * 129, "a/b", "application/json", "ü", "a b", "a\n", "\x7f"]
    ),
    st.text(max_size=4),
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "queue": TEXTS,
        "kind": TEXTS,
        "payload": st.just({"a": 1}),
        "payload_bytes": st.binary(max_size=3),
        "content_type": TEXTS,
        "max_retries": st.sampled_from([-1, 0, 4, 1000, 1001]),
        "max_deliveries": st.sampled_from([-1, 0, 1, 1000, 1001]),
        "priority": st.sampled_from([0, 1, 4, 9]),
        "idempotency_key": st.one_of(TEXTS, st.sampled_from(["k" * 255, "k" * 256])),
        "labels": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "headers": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "run_at": st.just(Timestamp(seconds=2)),
        "expires_at": st.sampled_from([Timestamp(seconds=1), Timestamp(seconds=3)]),
        "retry_policy": st.sampled_from([RetryPolicy(), RetryPolicy(jitter=7)]),
    },
)
SHAPES = KnownShapes()


def _request(fields: dict[str, Any]) -> EnqueueJobRequest:
    if "payload" in fields and "payload_bytes" in fields:
        fields = {name: value for name, value in fields.items() if name != "payload"}
    return EnqueueJobRequest(job=JobSpec(**fields))


def _passes(request: EnqueueJobRequest) -> bool:
    try:
        SHAPES.check(request)
    except ValidationFailed:
        return False
    return True


@given(SPECS)
def test_what_is_remembered_says_what_the_rules_say(fields: dict[str, Any]) -> None:
    request = _request(fields)

    # All examples share what is remembered: a shape that was made of too little would let another one pass.
    assert [_passes(request), _passes(request)] == [not collect_violations(request)] * 2


@pytest.mark.parametrize("other", [{"payload_bytes": b"other"}, {"idempotency_key": "other"}])
def test_one_like_it_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]) -> None:
    shapes = KnownShapes()
    usual = {"queue": "q", "kind": "k", "payload_bytes": b"{}", "content_type": "application/json"}
    shapes.check(_request(usual))

    monkeypatch.setattr(known_shapes, "check", None)
    shapes.check(_request(usual | other))
    with pytest.raises(TypeError):
        shapes.check(_request(usual | {"queue": "r"}))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_shapes, "_LIMIT", 3)
    shapes = KnownShapes()
    for number in range(10):
        shapes.check(_request({"queue": f"q{number}"}))

    assert len(shapes._known) <= 3  # noqa: SLF001 - nothing else shows it
