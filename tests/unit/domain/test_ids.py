import threading
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.domain.ids import JobIdSource, new_job_id, new_job_ids, parse_job_id

MILLISECOND = 1_000_000
NOW = 1_750_000_000_000 * MILLISECOND

randomness = st.lists(st.binary(min_size=10, max_size=10), min_size=2, max_size=50)


def source_of(moments: list[int], randoms: list[bytes]) -> JobIdSource:
    clock, chances = iter(moments), iter(randoms)
    return JobIdSource(now=lambda: next(clock), random=lambda size: next(chances)[:size])


def milliseconds_of(job_id: str) -> int:
    return uuid.UUID(job_id).int >> 80


def test_an_id_is_a_canonical_uuid_of_version_7() -> None:
    job_id = new_job_id()

    parsed = uuid.UUID(job_id)
    assert (str(parsed), parsed.version, parsed.variant) == (job_id, 7, uuid.RFC_4122)


def test_an_id_holds_the_moment_and_every_random_bit() -> None:
    source = source_of([NOW + 999_999], [bytes.fromhex("ffff0123456789abcdef")])

    # 73 of the 80 bits, 1_ff01_2345_6789_abcd_ef: 12 after the version, 62 after the variant.
    assert source.take() == "01977420-dc00-77fc-8123-456789abcdef"


@given(randomness)
def test_ids_rise_inside_one_millisecond(randoms: list[bytes]) -> None:
    source = source_of([NOW] * len(randoms), randoms)

    ids = [source.take() for _ in randoms]

    assert ids == sorted(set(ids))
    assert {milliseconds_of(job_id) for job_id in ids} == {NOW // MILLISECOND}


@given(st.lists(st.tuples(st.integers(NOW - 10**12, NOW), st.binary(min_size=10, max_size=10)), min_size=2))
def test_ids_rise_while_the_clock_jumps_to_and_fro(ticks: list[tuple[int, bytes]]) -> None:
    source = source_of([moment for moment, _ in ticks], [chance for _, chance in ticks])

    ids = [source.take() for _ in ticks]

    assert ids == sorted(set(ids))


def test_a_later_millisecond_shows_in_the_id_at_once() -> None:
    source = source_of([NOW, NOW + MILLISECOND], [b"\xff" * 10, b"\x00" * 10])

    first, second = source.take(), source.take()

    assert milliseconds_of(second) - milliseconds_of(first) == 1


def test_threads_share_no_id() -> None:
    taken: list[list[str]] = []
    threads = [threading.Thread(target=lambda: taken.append(list(new_job_ids(2000)))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({job_id for ids in taken for job_id in ids}) == 8000


def test_several_ids_rise_and_are_as_many_as_asked_for() -> None:
    before, ids, after = new_job_id(), new_job_ids(1000), new_job_id()

    assert len(ids) == 1000
    assert [before, *ids, after] == sorted({before, *ids, after})


@given(st.uuids())
def test_any_uuid_is_read_into_its_one_spelling(value: uuid.UUID) -> None:
    assert parse_job_id(str(value)) == parse_job_id(str(value).upper()) == str(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job-1",
        "01977420dc0073ff81234567 89abcdef",
        "01977420dc0073ff8123456789abcdef",
        "{01977420-dc00-73ff-8123-456789abcdef}",
        "urn:uuid:01977420-dc00-73ff-8123-456789abcdef",
        "01977420-dc00-73ff-8123-456789abcdeg",
        "01977420-dc00-73ff-8123-456789abcdef\n",
        " 01977420-dc00-73ff-8123-456789abcdef",
        "\N{ARABIC-INDIC DIGIT ZERO}1977420-dc00-73ff-8123-456789abcdef",
    ],
)
def test_what_is_no_uuid_is_refused_by_the_fields_name(text: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        parse_job_id(text)

    assert [violation.field for violation in refused.value.violations] == ["job_id"]
