"""Query parameters as the JSON values that the same fields have in a body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from google.protobuf.descriptor import FieldDescriptor

from gosynq_server.rest.refusals import FieldInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

_WITH_COMMAS: Final = frozenset({"labels"})


def query_tree(fields: Mapping[str, FieldDescriptor], query: str) -> dict[str, Any]:
    """Return a query string as an object of the given fields.

    A repeated field's values come by repetition or joined by commas; labels by repetition alone, as a comma may be part
    of one. An empty text is as good as none, but for booleans, where it could be meant as true.
    """
    tree: dict[str, Any] = {}
    for name, text in _pairs(query):
        if (field := fields.get(name)) is None:
            raise FieldInvalid(name, "is not a query parameter here")
        if text or field.type == FieldDescriptor.TYPE_BOOL:
            _add(tree, field, text)
    return tree


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise FieldInvalid("the query", "is not UTF-8") from None


def _add(tree: dict[str, Any], field: FieldDescriptor, text: str) -> None:
    if field.is_repeated:
        items = [text] if field.name in _WITH_COMMAS else text.split(",")
        tree.setdefault(field.name, []).extend(_json_value(field, item) for item in items)
        return
    if field.name in tree:
        raise FieldInvalid(field.name, "is given twice")
    tree[field.name] = _json_value(field, text)


def _json_value(field: FieldDescriptor, text: str) -> str | bool | int:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    if field.enum_type is not None and text.isascii() and text.isdigit():
        return int(text[:10])
    return text
