"""The HTTP responses that are whole from the start: JSON, refusals, and nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gosynq_server.rest.errors import Failure


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a body as JSON that no cache keeps."""
    return Response(
        orjson.dumps(body),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


def failure_response(failure: Failure) -> Response:
    """Return what a failed call is answered with."""
    return json_response(failure.http_status, failure.body(), failure.headers)


def gone_response() -> Response:
    """Return the answer that nobody reads any more."""
    return Response(status_code=499)
