"""`warmers.yaml`: what it may say, and the error for all else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument
from sidecar.config.schedules import Schedule
from sidecar.config.values import RateConfig, WarmerConfig
from sidecar.warmers.reach import Reach

URL = "source: {url: 'http://localhost:8080/a.ndjson'}"
REACH = Reach(folder=Path("/exports"))


def warmers(text: str, reach: Reach = REACH) -> tuple[WarmerConfig, ...]:
    vocabulary = CATALOGUE.vocabulary_within(reach)
    return parse({"warmers.yaml": text}, vocabulary=vocabulary).warmers


def mistakes(text: str, reach: Reach = REACH) -> list[str]:
    try:
        warmers(text, reach)
    except InvalidDocument as error:
        return [str(each) for each in error.errors]
    return []


def mistake(fields: str, reach: Reach = REACH) -> str:
    """The one mistake of a warmer with these fields."""
    [found] = mistakes(f"warmers:\n- {{{fields}}}", reach)
    return found


@pytest.mark.parametrize("text", ["", "# none\n", "warmers:", "warmers: []", "warmers: {}", "{}"])
def test_a_document_without_a_warmer_has_none(text: str) -> None:
    assert warmers(text) == ()


def test_a_warmer_has_defaults() -> None:
    [found] = warmers(f"warmers: [{{name: a, {URL}}}]")
    assert (found.name, found.source, found.namespace) == ("a", "url", None)
    assert found.rate == RateConfig(entries_per_second=1000, bytes_per_second=8 << 20)
    assert (found.deadline_seconds, found.jitter_seconds) == (1800.0, 0.0)
    assert (found.on_start, found.replace) == (False, False)
    assert found.schedule is None


def test_a_warmer_has_what_the_document_states() -> None:
    [found] = warmers(
        "warmers:\n- {name: a-b_1, namespace: n, source: {file: x/y.zst}, on_start: true, "
        "schedule: '*/5 * * * *', jitter: 10m, rate: {entries: 5, bytes: 1KiB}, deadline: 1h, "
        "replace: true}"
    )
    assert (found.namespace, found.source, found.schedule) == ("n", "file", Schedule("*/5 * * * *"))
    assert found.rate == RateConfig(entries_per_second=5, bytes_per_second=1024)
    assert (found.deadline_seconds, found.jitter_seconds) == (3600.0, 600.0)
    assert found.on_start
    assert found.replace


def test_the_same_text_gives_equal_warmers() -> None:
    """So that a document that states the same changes nothing."""
    text = f"warmers: [{{name: a, {URL}, schedule: '0 4 * * *'}}]"
    assert warmers(text) == warmers(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("# one\nwarmers:\n  x: {}", "warmers.yaml:2: warmers: a mapping is not a list"),
        ("other: 1\nwarmers: []", "warmers.yaml:1: other: unknown key"),
        ("just text", "warmers.yaml:1: "),
        ("warmers: [{name: x}]", "warmers.yaml:1: warmers[0].source: the key is missing"),
        (f"warmers: [{{{URL}}}]", "warmers.yaml:1: warmers[0].name: the key is missing"),
    ],
)
def test_another_shape_is_a_mistake_with_its_line(text: str, where: str) -> None:
    [found] = mistakes(text)
    assert found.startswith(where)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        (f"name: A B, {URL}", '"A B" is not a name'),
        (f"name: a, {URL}, namespace: a/b", "is no namespace"),
        (f"name: a, {URL}, rate: {{entries: 0}}", "0 is too small"),
        (f"name: a, {URL}, rate: {{bytes: 0}}", "0 is too small"),
        (f"name: a, {URL}, jitter: 2d", "is too long"),
        (f"name: a, {URL}, deadline: 0s", "is too short"),
        (f"name: a, {URL}, schedule: 5", "is not a cron expression"),
        (f"name: a, {URL}, sched: x", "unknown key; did you mean schedule?"),
        ("name: a, source: {}", "nothing is not a source"),
        ("name: a, source: text", "is not a mapping"),
        ("name: a, source: {urls: x}", "did you mean url?"),
        ("name: a, source: {url: 'http://localhost/', file: a}", "a warmer has one source"),
        ("name: a, source: {url: 'http://localhost/', header: {}}", "did you mean headers?"),
        ("name: a, source: {url: 'ftp://localhost/'}", "is not a URL of http or https"),
        ("name: a, source: {url: 'http://localhost/', headers: {'a b': c}}", "header field"),
        ("name: a, source: {file: 5}", "5 is not text"),
    ],
)
def test_a_wrong_field_says_what_to_do(fields: str, what: str) -> None:
    assert what in mistake(fields)


def test_two_warmers_may_not_have_one_name() -> None:
    [found] = mistakes(f"warmers:\n- {{name: a, {URL}}}\n- {{name: a, {URL}}}")
    assert "warmers.yaml:3: warmers[1].name: the warmer on line 2 has this name" in found


def test_twenty_one_warmers_are_too_many() -> None:
    lines = "".join(f"- {{name: a{number}, {URL}}}\n" for number in range(21))
    [found] = mistakes(f"warmers:\n{lines}")
    assert "there are more than 20; remove some" in found


# ---- what the flags allow


def test_a_url_beyond_loopback_needs_the_flag() -> None:
    """The refusal names it, and gives what to add."""
    found = mistake("name: a, source: {url: 'http://export.shop/all.ndjson'}")
    assert "warmers[0].source.url: " in found
    assert "add --origin-allow http://export.shop/ to the flags" in found


@pytest.mark.parametrize(
    ("prefix", "url", "is_allowed"),
    [
        ("http://a/x/", "http://a/x/1.ndjson", True),
        ("http://a/x.ndjson", "http://a/x.ndjson", True),
        ("http://a", "http://a", True),
        ("http://a/x", "http://a/xy", False),
        ("http://a/x/", "http://a:81/x/1", False),
        ("http://a/x/", "https://a/x/1", False),
        ("http://a/x/", "http://localhost/x/1", False),
        ("http://a/x/", "http://a/x/..%2f1", False),
    ],
)
def test_only_urls_below_a_prefix_are_allowed(prefix: str, url: str, is_allowed: bool) -> None:
    text = f"warmers: [{{name: a, source: {{url: '{url}'}}}}]"
    assert (mistakes(text, Reach(prefixes=(prefix,))) == []) == is_allowed


def test_a_file_needs_the_flag() -> None:
    found = mistake("name: a, source: {file: a.ndjson}", Reach())
    assert "without --warm-dir no files are allowed; add --warm-dir" in found


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../../b", "''", "."])
def test_a_file_has_to_be_below_the_folder(path: str) -> None:
    assert "is not a path below the folder of --warm-dir" in mistake(
        f"name: a, source: {{file: {path}}}"
    )


def test_a_secret_header_is_in_no_representation() -> None:
    source = "source: {url: 'http://localhost/', headers: {Authorization: 'Bearer s3cret'}}"
    assert "s3cret" not in repr(warmers(f"warmers: [{{name: a, {source}}}]"))
    wrong = "source: {url: 'http://localhost/', headers: {'A B': 's3cret'}}"
    assert "s3cret" not in mistake(f"name: a, {wrong}")


# ---- schedules


@pytest.mark.parametrize(
    "text",
    ["", "x", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "*/0 * * * *", "5-1 * * * *",
     "0 0 31 2 *", "0 0 30 2 *", "0 0 * * 9", "@daily", "L/2 L L L L", "0 0 L/2 * 1#9",
     f"{'1,' * 200}1 * * * *"],
)  # fmt: skip
def test_what_is_no_schedule_or_is_never_due_is_a_mistake(text: str) -> None:
    with pytest.raises(ValueError, match=r"0 4 \* \* \*"):
        Schedule(text)


@pytest.mark.parametrize(
    ("text", "now", "due"),
    [
        ("0 4 * * *", (2025, 6, 1, 3, 59), (2025, 6, 1, 4, 0)),
        ("0 4 * * *", (2025, 6, 1, 4, 0), (2025, 6, 2, 4, 0)),
        ("*/15 * * * *", (2025, 6, 1, 4, 1), (2025, 6, 1, 4, 15)),
        ("0 0 29 2 *", (2025, 1, 1, 0, 0), (2028, 2, 29, 0, 0)),
        ("30 6 * * MON-FRI", (2025, 6, 6, 7, 0), (2025, 6, 9, 6, 30)),
    ],
)
def test_a_schedule_is_due_in_utc(text: str, now: tuple[int, ...], due: tuple[int, ...]) -> None:
    found = Schedule(text).next_after(datetime(*now[:5], tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]
    assert found == datetime(*due[:5], tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]


def test_a_rule_that_names_a_warmer_is_a_mistake() -> None:
    """The action `warm` reads L3; the error quotes the name, and is the only one for it."""
    rule = "{name: a, type: cache, when: cache.hit_ratio < 0.5, action: warm, with: {warmer: top}}"
    with pytest.raises(InvalidDocument) as refused:
        parse({"rules.yaml": f"rules:\n- {rule}"}, vocabulary=CATALOGUE.vocabulary)
    [found] = map(str, refused.value.errors)
    assert found.startswith("rules.yaml:2: rules[0].with: ")
    assert 'there is no warmer "top"' in found
