"""An option that there is not, or that is a text in place of a list, is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gosynq_client import Client

CALLS: dict[str, Callable[..., Any]] = {
    "list": lambda client, **options: anext(aiter(client.list(**options))),
    "events": lambda client, **options: anext(aiter(client.events(**options))),
    "watch": lambda client, **options: anext(aiter(client.watch(**options))),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"queue": ["q"]}, "there is no option 'queue'"),
        ({"queues": "q"}, "queues is a list of texts, not one text: ['q']"),
    ],
)
async def test_a_wrong_option_is_refused(call: str, options: dict[str, Any], said: str) -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(TypeError) as refused:
            await CALLS[call](client, **options)

    assert str(refused.value).startswith(said)
