"""Why the edge refuses a request before any RPC is called: one class per situation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import grpc
from google.rpc import error_details_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.message import Message

DOMAIN: Final = "gosynq"
MAX_PATH_LENGTH: Final = 256


class RequestRefused(Exception):
    """The edge refused the request before any RPC was called."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INVALID_ARGUMENT
    http_status: ClassVar[int] = 400

    def details(self) -> Iterable[Message]:
        """Return the google.rpc details that go with the refusal."""
        return ()

    def headers(self) -> Mapping[str, str]:
        """Return the HTTP headers that go with the refusal."""
        return {}


class FieldInvalid(RequestRefused):
    """A part of the request is not what it has to be. An empty path stands for the whole body."""

    def __init__(self, path: str, problem: str, *, reason: str = "VALIDATION_FAILED") -> None:
        """Name the field by its path, such as `jobs[3].labels['x']`, and say what is wrong with it."""
        self.path = _shown(path)
        super().__init__(f"{self.path or 'the body'}: {problem}")
        self.problem = problem
        self.reason = reason

    def under(self, parent: str) -> FieldInvalid:
        """Return the same refusal as seen from one level further out."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        return FieldInvalid(f"{parent}{joint}{self.path}", self.problem, reason=self.reason)

    def details(self) -> Iterable[Message]:
        """Name the reason and the field."""
        metadata = {"field": self.path} if self.reason == "NUMBER_PRECISION" else {}
        yield error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=metadata)
        violation = error_details_pb2.BadRequest.FieldViolation(field=self.path, description=self.problem)
        yield error_details_pb2.BadRequest(field_violations=[violation])


class PathUnknown(RequestRefused):
    """No call has this path."""

    code = grpc.StatusCode.NOT_FOUND
    http_status = 404

    def __init__(self, path: str) -> None:
        """Name the path."""
        super().__init__(f"no such path: {_shown(path)}")


class MethodNotAllowed(RequestRefused):
    """The path has calls, but none by this HTTP method."""

    code = grpc.StatusCode.UNIMPLEMENTED
    http_status = 405

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        """Name the method, and those that the path takes."""
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"{method} is not possible here; possible: {self.allowed}")

    def headers(self) -> Mapping[str, str]:
        """Name the methods that are possible."""
        return {"allow": self.allowed}


class CrossOrigin(RequestRefused):
    """A web page of another origin asked a browser for a write."""

    code = grpc.StatusCode.PERMISSION_DENIED
    http_status = 403

    def __init__(self, origin: str) -> None:
        """Name the page's origin, or how near to this one the browser says that it is."""
        self.origin = _shown(origin)
        super().__init__(f"a web page of another origin ({self.origin}) may not write here")

    def details(self) -> Iterable[Message]:
        """Name the reason and the origin."""
        metadata = {"origin": self.origin}
        yield error_details_pb2.ErrorInfo(reason="CROSS_ORIGIN", domain=DOMAIN, metadata=metadata)


class TooManyStreams(RequestRefused):
    """As many streams are open as may be."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    http_status = 429

    def __init__(self, limit: int) -> None:
        """Name the limit."""
        self.limit = limit
        super().__init__(f"{limit} streams are open here, which is the limit")

    def details(self) -> Iterable[Message]:
        """Name the reason and the limit."""
        metadata = {"limit": str(self.limit)}
        yield error_details_pb2.ErrorInfo(reason="TOO_MANY_STREAMS", domain=DOMAIN, metadata=metadata)


class ServerDraining(RequestRefused):
    """The server is stopping, in the words and with the reason of its own answer."""

    code = grpc.StatusCode.UNAVAILABLE
    http_status = 503

    def __init__(self) -> None:
        """Say where to go."""
        super().__init__("The server is stopping; try another one.")

    def details(self) -> Iterable[Message]:
        """Name the reason."""
        yield error_details_pb2.ErrorInfo(reason="SERVER_DRAINING", domain=DOMAIN)


class BodyTooLarge(RequestRefused):
    """The request is larger than the server takes."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    http_status = 413

    def __init__(self, limit: int) -> None:
        """Name the limit, in bytes."""
        super().__init__(f"the request is larger than {limit} bytes")


def _shown(path: str) -> str:
    """Return a path of the caller's making as it may stand in an answer: cut, and without halves of surrogate pairs."""
    return path[:MAX_PATH_LENGTH].encode(errors="replace").decode()
