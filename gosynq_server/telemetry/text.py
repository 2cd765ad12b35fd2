"""Strangers' strings made fit to be shown."""


def printable(text: str) -> str:
    """Escape what could move a terminal's cursor, forge a line of a log, or not be encoded at all."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def cut(text: str, longest: int) -> str:
    """Bound a string, saying how long it was, and replace lone surrogates, which no encoding can write."""
    bounded = text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
    return bounded.encode("utf-8", "backslashreplace").decode()
