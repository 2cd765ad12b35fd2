"""Which web pages may write: a browser sends what any page tells it to, and says where the page came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gosynq_server.rest.refusals import CrossOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import Headers

RULE: Final = (
    "A body is JSON whatever its Content-Type says. A write that a web page of another origin asks a browser for is "
    "refused: 403, CROSS_ORIGIN. The page's Origin has to be the Host that is asked, which a proxy in between has to "
    "pass on, and Sec-Fetch-Site same-origin or none. Callers that are no browsers send neither header."
)

_OWN_SITES: Final = frozenset({"", "same-origin", "none"})
_USUAL_PORTS: Final[Mapping[str, str]] = {"http": ":80", "https": ":443"}


def check_origin(headers: Headers) -> None:
    """Raise CrossOrigin for a write that comes from a page of another origin.

    As any Content-Type is taken, for the sake of `curl -d`, a browser sends such a write without asking first (a simple
    request of the Fetch standard). It says the origin in headers that no page can forge (W3C Fetch Metadata).
    """
    origin = headers.get("origin", "")
    if origin and not _is_own(origin, headers.get("host", "")):
        raise CrossOrigin(origin)
    site = headers.get("sec-fetch-site", "")
    if site not in _OWN_SITES:
        raise CrossOrigin(site)


def _is_own(origin: str, host: str) -> bool:
    """Compare all but the scheme, as a proxy may have taken TLS off; a usual port may be said by one side only."""
    scheme, _, authority = origin.lower().partition("://")
    return bool(authority) and authority == host.lower().removesuffix(_USUAL_PORTS.get(scheme, ""))
