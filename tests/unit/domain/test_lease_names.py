import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.domain.lease_names import LeaseRef, lease_token, parse_lease

ID = "0195e7a4-5a5a-7000-8000-000000000001"
QUEUES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", fullmatch=True)
SEQUENCES = st.integers(1, 999_999_999)


@given(QUEUES, SEQUENCES)
def test_a_token_names_the_lease_that_it_was_made_of(queue: str, lease_seq: int) -> None:
    token = lease_token(queue, lease_seq)
    assert parse_lease(ID, token) == LeaseRef(job_id=ID, queue=queue, lease_seq=lease_seq)


@given(st.one_of(st.text(max_size=140), st.from_regex(r"[0-9]{1,11}\.[A-Za-z0-9_.-]{0,130}")))
def test_a_text_is_the_token_of_one_lease_or_is_refused(text: str) -> None:
    lease = _parsed(text)
    assert lease is None or lease_token(lease.queue, lease.lease_seq) == text


def _parsed(text: str) -> LeaseRef | None:
    try:
        return parse_lease(ID, text)
    except ValidationFailed:
        return None


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "1",
        "1.",
        ".q",
        "0.q",
        "01.q",
        "-1.q",
        "+1.q",
        "1_0.q",
        "1000000000.q",
        "\u0661.q",
        "\u00b2.q",
        "1.q\n",
        "1.a b",
        "1..",
        "1.\u00fc",
        "1." + "q" * 129,
        "1,q",
    ],
)
def test_what_was_never_given_out_is_refused(token: str) -> None:
    with pytest.raises(ValidationFailed, match="lease_token: is no token that this service has given out"):
        parse_lease(ID, token)
