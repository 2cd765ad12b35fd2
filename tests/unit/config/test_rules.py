from datetime import timedelta
from pathlib import Path

import pytest

from gosynq_server.config.rules import Choice, DatabaseUrl, Length, Location, Real, Rule, Several, Switch, Text, Whole

PORT = Whole(0, 65535)
SHARE = Real(0, 1)
MINUTE = Length(timedelta(seconds=1), timedelta(minutes=1))
WORD = Choice(("json", "text"))


@pytest.mark.parametrize(
    ("rule", "given", "value"),
    [
        (PORT, "0", 0),
        (PORT, 65535, 65535),
        (PORT, " 8080 ", 8080),
        (SHARE, "0.5", 0.5),
        (SHARE, 1, 1.0),
        (MINUTE, "1m", timedelta(minutes=1)),
        (WORD, "JSON", "json"),
        (Switch(), True, True),
        (Switch(), "off", False),
        (Switch(), "Yes", True),
        (Text(), " a b ", "a b"),
        (Location(), "/srv/x", Path("/srv/x")),
        (Location(), "~", Path.home()),
        (DatabaseUrl(), "postgres://h/d", "postgres://h/d"),
        (Several(WORD), "json, text", ("json", "text")),
        (Several(WORD), ["json,text", "json"], ("json", "text", "json")),
        (Several(PORT), [1, 2], (1, 2)),
        (Several(WORD), "", ()),
    ],
)
def test_a_rule_reads_texts_and_toml_values(rule: Rule, given: object, value: object) -> None:
    assert rule.read(given) == value


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        (PORT, "-1"),
        (PORT, 65536),
        (PORT, True),
        (PORT, 1.0),
        (PORT, "1_000"),
        (PORT, "\uff11"),
        (PORT, ""),
        (PORT, "9" * 5000),
        (SHARE, "nan"),
        (SHARE, "1.1"),
        (SHARE, False),
        (SHARE, []),
        (Real(0, 1), 10**400),
        (MINUTE, 30),
        (MINUTE, "30"),
        (MINUTE, "61s"),
        (MINUTE, "0s"),
        (WORD, "yaml"),
        (Switch(), "maybe"),
        (Switch(), 2),
        (Text(), ""),
        (Text(), "a\nb"),
        (Location(), "\x00"),
        (Location(), "~no-such-user-here/x"),
        (DatabaseUrl(), "mysql://h/d"),
        (DatabaseUrl(), "h:5432"),
        (DatabaseUrl(), "postgresql://[h/d"),
        (Several(PORT), ["x"]),
        (Several(WORD), 5),
    ],
)
def test_a_rule_refuses_everything_else(rule: Rule, given: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it has no message: the loader tells what is allowed
        rule.read(given)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (PORT, "a whole number from 0 to 65535"),
        (SHARE, "a number from 0 to 1"),
        (MINUTE, "a duration from 1s to 1m, such as 30s, 5m or 1h30m"),
        (WORD, "one of json, text"),
        (Switch(), "on or off (true or false, yes or no, 1 or 0)"),
        (Several(WORD), "a list, each item being one of json, text"),
    ],
)
def test_a_rule_says_in_words_what_it_allows(rule: Rule, words: str) -> None:
    assert rule.allowed == words
