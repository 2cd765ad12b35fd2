import os
from datetime import timedelta
from pathlib import Path

import pytest

from gosynq_server.config.addresses import DatabaseUrl, Target
from gosynq_server.config.paths import FileToRead, FileToWrite, Location
from gosynq_server.config.rules import Choice, Length, Real, Rule, Several, Switch, Text, Whole

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
        (FileToRead(), __file__, Path(__file__)),
        (FileToRead(), os.devnull, Path(os.devnull)),
        (FileToWrite(), "/tmp/gosynq-ready.json", Path("/tmp/gosynq-ready.json")),
        (FileToWrite(), "ready.json", Path("ready.json")),
        (Several(WORD), "json, text", ("json", "text")),
        (Several(WORD), ["json,text", "json"], ("json", "text", "json")),
        (Several(PORT), [1, 2], (1, 2)),
        (Several(WORD), "", ()),
    ],
)
def test_a_rule_reads_texts_and_toml_values(rule: Rule, given: object, value: object) -> None:
    assert rule.read(given) == value


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql:///d",
        "postgresql://u:p%40%2F@h:5432/d?sslmode=require&application_name=a%20b",
        "postgresql://u@[::1]:5432,h,g:2/d",
        "postgresql://u@%2Frun%2Fpostgresql:5433/d",
        "postgresql://postgres@/postgres?host=/tmp/a%20b",
        "postgresql://u@/d?host=h:1,g&port=5432,5433",
    ],
)
def test_a_database_url_is_whatever_libpq_takes(url: str) -> None:
    assert DatabaseUrl().read(url) == url


@pytest.mark.parametrize(
    "target",
    ["localhost:1", "[::1]:50051", "a.example:65535", "dns:///a.example:1", "unix:/run/x.sock", "ipv6:[::1]:1,[::2]:1"],
)
def test_a_target_is_host_and_port_or_whatever_grpc_resolves(target: str) -> None:
    assert Target().read(target) == target


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
        (DatabaseUrl(), "postgresql:d"),
        (DatabaseUrl(), "postgresql://[h/d"),
        (DatabaseUrl(), "postgresql://u:p@h:x/d"),
        (DatabaseUrl(), "postgresql://u:p@h:0/d"),
        (DatabaseUrl(), "postgresql://u:p@h:65536/d"),
        (DatabaseUrl(), "postgresql://u:p@h:-5/d"),
        (DatabaseUrl(), "postgresql://u:p@[::1]:x/d"),
        (DatabaseUrl(), "postgresql://u:p@h:1,g:x/d"),
        (DatabaseUrl(), "postgresql://u:p@h:1,,g:2/d"),
        (DatabaseUrl(), "postgresql://u:p@/d?host=h:x"),
        (DatabaseUrl(), "postgresql://u:p@/d?host=h&port=x"),
        (DatabaseUrl(), "postgresql://u:p/p@h/d"),
        (DatabaseUrl(), "postgresql://u:p@p@h/d"),
        (DatabaseUrl(), "postgresql://u:1#p@h/d"),
        (DatabaseUrl(), "postgresql://u:1?p@h/d"),
        (Target(), "localhost"),
        (Target(), "localhost:"),
        (Target(), "localhost:0"),
        (Target(), "localhost:99999"),
        (Target(), ":50051"),
        (Target(), "a b:1"),
        (Target(), "dns:"),
        (Target(), "http://localhost:50051"),
        (Target(), "localhost:50051/path"),
        (FileToRead(), "/nowhere/ca.pem"),
        (FileToRead(), "/tmp"),
        (FileToWrite(), "/nowhere/ready.json"),
        (FileToWrite(), "/tmp"),
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
