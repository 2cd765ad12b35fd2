"""Judges what an attempt came to, from what its handler returned or raised: pure, and fit for any thread."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from gosynq_client.worker.answers import Discard, JobFailure, Snooze, encode_object
from gosynq_client.worker.outcomes import AttemptError, Failed, Outcome, Snoozed, Succeeded

if TYPE_CHECKING:
    from datetime import timedelta

JSON: Final = "application/json"
INVALID_RESULT: Final = "InvalidResult"
MAX_TYPE_BYTES: Final = 255
MAX_MESSAGE_BYTES: Final = 8 * 1024
MAX_STACK_TRACE_BYTES: Final = 32 * 1024

_CUT: Final = "\n... cut ...\n"
# Python's own words for `raise` of a value; Snooze and Discard stay values, since an outcome is one.
_NOT_RAISABLE: Final = "exceptions must derive from BaseException"
_DONE: Final = Succeeded()


def outcome_of_answer(answer: object) -> Outcome:
    """Judge what a handler returned; anything but an Answer fails the job for good."""
    if answer is None:
        return _DONE
    match answer:
        case dict():
            return _succeeded(answer)
        case Snooze(delay):
            return Snoozed(delay=delay)
        case Discard(reason):
            return _failed_for_good("Discarded", reason)
    return invalid_result(
        f"a handler returns a dict, None, Snooze or Discard; this one returned {type(answer).__name__}"
    )


def outcome_of_error(error: BaseException) -> Failed:
    """Judge what a handler raised. Its stack trace begins in the handler."""
    if isinstance(error, JobFailure):
        return Failed(
            error=AttemptError(
                type=cut_end(error.type, MAX_TYPE_BYTES),
                message=_message(error),
                stack_trace=_stack_trace(error),
                non_retryable=error.non_retryable,
                details=error.details,
            ),
            retry_after=error.retry_after,
        )
    name = cut_end(type(error).__name__, MAX_TYPE_BYTES)
    return Failed(error=AttemptError(type=name, message=_message(error), stack_trace=_stack_trace(error)))


def timed_out(timeout: timedelta, error: BaseException | None) -> Failed:
    """Judge an attempt that took longer than timeout; error, if any, shows where its handler was."""
    return Failed(
        error=AttemptError(
            type="AttemptTimeout",
            message=f"the attempt took longer than {timeout.total_seconds():g} s",
            stack_trace="" if error is None else _stack_trace(error),
        ),
        timed_out=True,
    )


def invalid_result(message: str) -> Failed:
    """Judge a result that cannot be recorded: running the handler again would only repeat its effects."""
    return _failed_for_good(INVALID_RESULT, message)


def cut_end(text: object, max_bytes: int) -> str:
    """Cut text to max_bytes of UTF-8 from its end, and replace what no text column holds: NUL and lone surrogates."""
    data = _storable(text)
    return data.decode() if len(data) <= max_bytes else data[:max_bytes].decode(errors="ignore")


def _cut_middle(text: str, max_bytes: int) -> str:
    data = _storable(text)
    if len(data) <= max_bytes:
        return data.decode()
    half = (max_bytes - len(_CUT)) // 2
    return data[:half].decode(errors="ignore") + _CUT + data[-half:].decode(errors="ignore")


def _storable(text: object) -> bytes:
    # A handler may have put anything where a text belongs.
    return str(text).replace("\x00", "\ufffd").encode(errors="replace")


def _succeeded(answer: dict[object, object]) -> Outcome:
    try:
        return Succeeded(result=encode_object(answer), content_type=JSON)  # type: ignore[arg-type]  # json judges keys
    except (TypeError, ValueError, RecursionError) as error:
        return invalid_result(f"the result is not a JSON object: {error}")


def _failed_for_good(name: str, message: str) -> Failed:
    return Failed(error=AttemptError(type=name, message=cut_end(message, MAX_MESSAGE_BYTES), non_retryable=True))


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 -- a handler's exception is a handler's code
        text = "its message cannot be shown"
    if text == _NOT_RAISABLE:
        text += "; Snooze and Discard are returned by a handler, not raised"
    return cut_end(text or type(error).__name__, MAX_MESSAGE_BYTES)


def _stack_trace(error: BaseException) -> str:
    inside = error.__traceback__
    while inside is not None and inside.tb_frame.f_globals.get("__package__") == __package__:
        inside = inside.tb_next
    lines = traceback.format_exception(type(error), error, inside or error.__traceback__)
    return _cut_middle("".join(lines), MAX_STACK_TRACE_BYTES)
