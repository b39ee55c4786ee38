"""The documentation against the program: its tables and examples are complete."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import click
import pytest
import redis
from msgspec import Struct
from msgspec.structs import fields
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from sidecar.api.entries import MAX_KEYS
from sidecar.api.leases import LEASE_SECONDS, WAIT_SECONDS
from sidecar.api.state import Problem
from sidecar.catalogue import CATALOGUE
from sidecar.cli import main
from sidecar.cli.figures import Readings
from sidecar.cli.lines import Line
from sidecar.cli.palette import paint
from sidecar.cli.report import outcomes_table
from sidecar.cli.screen import Screen
from sidecar.config.namespaces import MAX_NAMED
from sidecar.config.rules_schema import (
    MAX_BASELINES,
    MAX_RULES,
    MAX_WINDOW_SECONDS,
    MAX_WINDOWS,
)
from sidecar.http.admin import MAX_PAGE
from sidecar.http.batch import AT_ONCE
from sidecar.http.openapi import answers
from sidecar.http.reading import MOST_LINES
from sidecar.http.routes import DATA, OPS, operation_names
from sidecar.http.routing import Route
from sidecar.http.wording import HEAD_BYTES
from sidecar.loading.remembered import MOST_KEYS as MOST_ABSENT
from sidecar.model.answers import PAGE_BYTES
from sidecar.model.outcome import VERDICTS
from sidecar.model.tags import MOST_SOFTENED, MOST_TAGS
from sidecar.model.terms import MAX_TAG_BYTES, MAX_TAGS
from sidecar.optimizer.standing import STATES
from sidecar.resp.commands import ALL
from sidecar.serving.budget import UNLIMITED_BYTES
from sidecar.serving.limits import OPS_LIMITS, Limits
from sidecar.serving.paced import CONNECTIONS_PER_SECOND
from sidecar.store.leases import MOST_LEASES
from sidecar.store.listing import SLICE_KEYS
from sidecar.store.store import MAX_INVALIDATION_BYTES, MAX_INVALIDATIONS, SOFT_SECONDS
from sidecar.telemetry.metrics import OTHER, OTHERS, RENDERINGS_PER_SECOND
from tests.cli.examples import IMPROVED, watched
from tests.contracts.pages import PAGES, ROOT, blocks, code, first_column, read, section, table
from tests.running import RunningSidecar

STARTED = read("docs/getting-started.md")
API = read("docs/http-api.md")
CONFIGURATION = read("docs/configuration.md")
OPTIMIZER = read("docs/optimizer.md")
METRICS = read("docs/signals-and-metrics.md")
OPERATIONS = read("docs/operations.md")


def test_the_answer_that_is_shown_is_the_one_that_comes(sidecar: RunningSidecar) -> None:
    """Header by header, except for values that vary."""
    [shown] = [block for block in blocks("", STARTED) if block.startswith("HTTP/1.1 ")]
    fields = dict(line.split(": ", 1) for line in shown.splitlines()[1:])
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl says of itself
    sidecar.ask("PUT", "/v1/cache/demo/greeting", b"hello", form)
    answer = sidecar.ask("GET", "/v1/cache/demo/greeting")

    def masked(value: str) -> str:
        return re.sub(r'"[0-9a-f]+"|\d{2,}', "X", value)

    for name, value in fields.items():
        assert masked(answer.headers[name]) == masked(value)


def test_the_commands_and_flags_are_all_there() -> None:
    """With their defaults."""
    context = click.Context(main)
    named = [code(cell)[0].split()[1] for cell in first_column(OPERATIONS, "command")]
    assert named == main.list_commands(context)
    serve = main.get_command(context, "serve")
    assert serve is not None
    options = {
        option.opts[0]: option
        for option in serve.params
        if isinstance(option, click.Option) and not option.hidden
    }
    assert [code(cell)[0] for cell in first_column(CONFIGURATION, "flag")] == list(options)
    for line in section(CONFIGURATION, "Flags of the process").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and cells[1].startswith("`--"):
            default = options[code(cells[1])[0]].default
            written = code(cells[2])
            assert written == ([default] if isinstance(default, str) else []), cells[1]


@pytest.mark.parametrize(("header", "routes"), [("call", DATA), ("probe", OPS)])
def test_the_calls_are_all_there(header: str, routes: Sequence[Route[Any]]) -> None:
    """Each with its method and parameters, and no others."""
    written = {call for cell in first_column(API, header) for call in calls(cell)}
    served = {
        (route.method, route.path, frozenset(field.name for field in fields(route.query or Struct)))
        for route in routes
    }
    assert written == served


def calls(cell: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Method, path and parameters of each call in a cell: `GET`, `HEAD /a?b=`, `/c`."""
    methods, paths = re.findall(r"\b[A-Z]+\b", cell), re.findall(r"/[^`\s]*", cell)
    for method, (path, _, query) in product(methods, (path.partition("?") for path in paths)):
        yield method, path, frozenset(re.findall(r"(\w+)=", query))


def test_the_statuses_of_errors_are_all_there() -> None:
    """The statuses in the route table."""
    stated = {
        answer.status for route in DATA for answer in answers(route) if answer.body is Problem
    }
    assert {int(cell) for cell in first_column(API, "status")} == stated


def test_the_metrics_are_all_there(sidecar: RunningSidecar) -> None:
    """Every family, and no others; those with samples with their labels."""
    written = {}
    for cell in first_column(METRICS, "name"):
        for name in code(cell):
            family, _, labels = name.partition("{")
            written[family] = set(labels.rstrip("}").split(",")) - {""}
    sidecar.put("key", b"value")
    sidecar.get("key")
    families = list(text_string_to_metric_families(sidecar.ops("/metrics").body.decode()))
    served = {
        family.name + ("_total" if family.type == "counter" else ""): family.samples
        for family in families
    }
    assert sorted(written) == sorted(served)
    for name, samples in served.items():
        for sample in samples:
            assert sample.labels.keys() - {"le"} == written[name], name


def test_the_label_values_are_all_there(sidecar: RunningSidecar) -> None:
    """Every served label is in the table, with all of its values."""
    written: dict[str, set[str]] = {}
    for labels, values in table(METRICS, "label"):
        written |= {label: set(code(values)) for label in code(labels)}
    for method in ("PUT", "GET", "HEAD", "DELETE", "GET", "POST"):
        sidecar.ask(method, "/v1/cache/test/key", b"v" if method == "PUT" else None)
    for route in DATA:
        path = route.path.format(namespace="test", key="key", file="main.js", name="test")
        sidecar.ask(route.method, path, b"{}" if route.body else None)
    sidecar.ask("GET", "/x")
    with redis.Redis(port=sidecar.resp_port) as client:
        client.set("key", "v")
        client.get("key")
        client.ping()
    for probe in OPS:
        sidecar.ops(probe.path)
    operations: set[str] = set()
    enumerated = {label: values for label, values in written.items() if len(values) > 1}
    enumerated.pop("cache_namespace")
    for family in text_string_to_metric_families(sidecar.ops("/metrics").body.decode()):
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} <= written.keys(), sample
            for label, value in sample.labels.items():
                assert value in enumerated.get(label, {value}), sample
            operations |= {sample.labels["operation"]} if "operation" in sample.labels else set()
    over_http = {*operation_names(DATA), *operation_names(OPS), "unknown"}
    assert operations == over_http | {"set", OTHER}
    assert enumerated["operation"] == over_http | (ALL.keys() - OTHERS) | {OTHER}


def test_the_outcome_that_is_shown_is_printed_so() -> None:
    """Line by line, except for what a terminal does not show."""
    [shown] = [block for block in blocks("", OPTIMIZER) if block.startswith(" ended ")]
    with io.StringIO() as out:
        Console(file=out, width=100).print(outcomes_table([IMPROVED], Readings(CATALOGUE.signals)))
        printed = [line.rstrip() for line in out.getvalue().strip("\n").splitlines()]
    assert shown.splitlines() == [line for line in printed if line]


def test_the_screen_that_is_shown_is_the_one_that_top_draws() -> None:
    """On a terminal of the usual size, line by line."""
    [shown] = [block for block in blocks("", OPERATIONS) if block.startswith("cache-sidecar ")]
    with io.StringIO() as out:
        paint(Console(file=out, width=80, height=24)).print(
            Screen(watched(), Readings(CATALOGUE.signals), 2.0)
        )
        printed = [line.rstrip() for line in out.getvalue().splitlines()]
    assert len(printed) == 24
    assert shown.splitlines() == printed


def test_the_keys_of_a_line_of_json_are_all_there() -> None:
    [said] = [part for part in OPERATIONS.split("\n\n") if "With `--json`" in part]
    assert set(code(said.partition("With `--json`")[2])) == set(Line.__struct_fields__)


def test_the_knobs_are_all_there() -> None:
    """With the program's own descriptions."""
    rows = {code(knob)[0]: meaning for knob, meaning in table(OPTIMIZER, "knob")}
    assert rows == {knob.name: knob.meaning for knob in CATALOGUE.knobs.values()}


def test_the_outcomes_and_states_are_all_there() -> None:
    named = [code(cell)[0] for cell in first_column(OPTIMIZER, "outcome")]
    assert sorted(named) == sorted(VERDICTS)
    [line] = [line for line in METRICS.splitlines() if "rule_state{" in line]
    assert code(line)[1:] == list(STATES)


def test_the_pictures_are_there_and_small() -> None:
    """They are part of every clone."""
    pictures = {
        (page.parent / found).resolve()
        for page in PAGES
        for found in re.findall(r"!\[[^]]+\]\(([^)]+\.png)\)", page.read_text())
    }
    assert len(pictures) >= 2
    for picture in pictures:
        assert picture.stat().st_size < 150 << 10, picture.name


def test_the_layers_are_all_there() -> None:
    """In the order of import-linter's configuration."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [each["layers"] for each in contracts["contracts"] if each["type"] == "layers"]
    named = [code(cell) for cell in first_column(read("docs/architecture.md"), "layer")]
    assert named == [layer.split(" | ") for layer in layers]


def test_the_limits_are_those_of_the_program() -> None:
    """The limits of the threat model."""
    limits = {what: limit for what, limit, _ in table(read("docs/security.md"), "what")}
    served = Limits()
    assert limits["open connections"] == f"{served.connections:,}"
    assert limits["open connections to the ops port"] == f"{OPS_LIMITS.connections}"
    connected = limits["new connections to the ops port, in a second"]
    assert connected == f"{CONNECTIONS_PER_SECOND:g}"
    asked = limits["requests on one connection of the ops port, in a second"]
    assert asked == f"{1 / OPS_LIMITS.pace_seconds:g}"
    assert limits["renderings of `/metrics`, in a second"] == f"{RENDERINGS_PER_SECOND:g}"
    assert limits["memory of requests without a memory limit"] == "256 MiB"
    assert UNLIMITED_BYTES == 256 << 20
    assert limits["an idle connection, or the head of a request"] == f"{served.idle_seconds:g} s"
    assert limits["a body"] == f"{served.body_seconds:g} s"
    assert limits["a client that does not read its answer"] == f"{served.send_seconds:g} s"
    assert limits["keys in a batch"] == f"{MAX_KEYS:,}"
    tags = limits["tags of an entry, bytes of a tag, tags of an invalidation"]
    assert tags == f"{MAX_TAGS}, {MAX_TAG_BYTES}, {MAX_KEYS:,}"
    invalidated = limits["invalidated tags until the sweep has removed what they cover"]
    assert invalidated == f"{MOST_TAGS:,}"
    softened = limits["tags that were invalidated softly"]
    assert softened == f"{MOST_SOFTENED:,}, for an hour"
    assert SOFT_SECONDS == 3600
    leases = limits["leases, and the seconds of one, and of a wait for one"]
    assert leases == f"{MOST_LEASES:,}, {LEASE_SECONDS}, {WAIT_SECONDS}"
    assert limits["namespaces in `cache.yaml`"] == f"{MAX_NAMED}"
    absent = limits["keys of which an origin has said that it has none"]
    assert absent == f"{MOST_ABSENT:,}"
    scopes = limits[
        "invalidations by prefix or of a namespace that the sweep has not worked off, and the "
        "bytes of their prefixes"
    ]
    assert scopes == f"{MAX_INVALIDATIONS:,}, {MAX_INVALIDATION_BYTES >> 20} MiB"
    page = limits["keys in a page of `/v1/keys`"]
    assert page == f"{MAX_PAGE:,}, of {PAGE_BYTES >> 10} KiB in all"
    listed = limits["all lines of a header field that is a list, such as `If-None-Match`"]
    assert listed == f"{HEAD_BYTES:,} bytes together"
    slices = limits[
        "keys that a call for many looks up or writes, or a page of keys examines, before all "
        "others have been looked at"
    ]
    assert slices == f"{AT_ONCE}, {SLICE_KEYS}"
    chunked = limits["ends of lines in what is read at once of a body in chunks"]
    assert chunked == f"{MOST_LINES}"
    assert MAX_WINDOW_SECONDS == 8 * 3600
    windows = limits["different windows of `p95` in conditions"]
    assert windows == f"{MAX_WINDOWS}, and 8 h together"
    assert limits["rules, baselines"] == f"{MAX_RULES}, {MAX_BASELINES}"


def test_every_term_of_the_glossary_is_easy_to_find() -> None:
    """Each table is in alphabetical order, and no term is in two tables."""
    text = read("docs/glossary.md")
    tables = [first_column(part, "term") for part in text.split("\n## ")[1:]]
    assert all(terms == sorted(terms, key=str.lower) for terms in tables)
    terms = [term for terms in tables for term in terms]
    assert len(terms) == len(set(terms)) > 50
