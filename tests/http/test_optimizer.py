"""/v1/optimizer: the answers match the state, the decisions and the outcomes of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec.structs import fields

from sidecar.api import answers as shown
from sidecar.api.state import CacheSettings
from sidecar.app.sidecar import Sidecar
from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Effective
from sidecar.config.values import DEFAULT_BASELINES, MIB, CacheConfig, Document
from sidecar.http.openapi import document
from sidecar.http.optimizer import in_shape
from sidecar.http.routes import DATA
from sidecar.model.change import Size
from sidecar.model.outcome import VERDICTS, Outcome
from sidecar.optimizer.standing import STATES
from sidecar.serving.limits import Limits
from tests.http.serving import Served, problem
from tests.optimizer.controlled import Controlled
from tests.optimizer.virtual import SIGNAL, Readings, a_document, a_rule


@asynccontextmanager
async def served(
    live: Sidecar, document: Document, readings: Readings
) -> AsyncIterator[tuple[Controlled, aiohttp.ClientSession]]:
    """A control loop in virtual time, and a client of its API."""
    controlled = Controlled(document, readings, Path("/nonexistent"))
    server = await Served(live, Limits(), controlled.control).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield controlled, session
    finally:
        await server.stop()


async def get(client: aiohttp.ClientSession, path: str = "") -> Any:
    async with client.get(f"/v1/optimizer{path}") as answer:
        assert answer.status == 200
        return await answer.json()


async def run(client: aiohttp.ClientSession, query: str = "") -> Any:
    async with client.post(f"/v1/optimizer/run{query}") as answer:
        assert answer.status == 200
        return await answer.json()


def pressed(now: float, _effective: Effective) -> Mapping[str, float]:
    """Memory is nearly full, and 10 MiB arrive each second."""
    return {
        "memory.utilization": 0.91,
        "cache.l2.fill": 1.0,
        "network.received_bytes": 10 * MIB * now,
    }


def a_measure(name: str, when: str, **changes: Any) -> Any:
    """A rule without a comparison: its change is made as soon as the condition is true."""
    values = {"type": "memory", "action": "shrink_tier", "options": {"tier": "l2"}, **changes}
    return a_rule(name, when=when, expect=None, **values)


HARD_PRESSED = "memory.utilization > 0.85"
MEMORY = a_measure("memory_cleanup", HARD_PRESSED)
PACING = a_measure("pacing", HARD_PRESSED, type="io", action="pace_l3_writes", options={})


async def test_the_overview_shows_all_that_is_seen_and_can_be_turned(
    client: aiohttp.ClientSession,
) -> None:
    """Every signal with unit and meaning, and every knob; infinite values are null."""
    overview = await get(client)
    assert overview["enabled"] is True
    assert overview["level"] == "balanced"
    assert overview["trial"] is None
    assert overview["knobs"].keys() == CATALOGUE.knobs.keys()
    assert overview["knobs"]["l3.write_bytes_per_second"]["effective"] is None
    size = {"max_entries": 1000, "max_bytes": 100 * MIB}
    assert overview["knobs"]["tiers.l2.size"]["configured"] == size
    assert list(overview["signals"]) == [signal.name for signal in CATALOGUE.signals.values()]
    for aim in DEFAULT_BASELINES:
        seen = overview["signals"][aim.signal]
        assert (seen["baseline"], seen["target"]) == (aim.baseline, aim.target)
    assert [rule["rule"] for rule in overview["rules"]] == [
        rule["rule"] for rule in (await get(client, "/rules"))["rules"]
    ]


async def test_a_dry_run_says_of_every_rule_whether_it_would_fire_and_why(live: Sidecar) -> None:
    """It shows all values of the condition, missing signals, and the change; nothing is changed."""
    document = a_document(
        MEMORY,
        PACING,
        a_measure("patient", HARD_PRESSED, for_seconds=60.0),
        a_measure("calm", "memory.utilization > 0.95 && cache.l2.fill > 0.5"),
        a_measure("blind", "cpu.pressure > 0.1 || memory.utilization > baseline.cpu.pressure"),
        a_measure("ambitious", HARD_PRESSED, level="maximum"),
        a_measure("off", HARD_PRESSED, enabled=False),
        a_measure("stuck", HARD_PRESSED, action="set_compression", options={"to": "zstd"}),
    )
    async with served(live, document, pressed) as (controlled, client):
        for _ in range(10):
            controlled.pass_time()
        answer = await run(client, "?dry_run=true")
        rules = {rule["rule"]: rule for rule in answer["rules"]}
        assert answer["decisions"] == []
        assert controlled.control.engine.outcomes == []
        assert controlled.control.engine.trial is None
    assert [name for name, rule in rules.items() if rule["would_fire"]] == ["memory_cleanup"]
    fires = rules["memory_cleanup"]
    assert fires["holds"] is True
    assert fires["values"] == {"memory.utilization": 0.91}
    assert fires["change"]["knob"] == "tiers.l2.size"
    assert fires["change"]["from"] == {"max_entries": 1000, "max_bytes": 100 * MIB}
    assert fires["change"]["to"] == {"max_entries": 900, "max_bytes": 90 * MIB}
    assert rules["pacing"]["change"]["from"] is None  # unlimited
    assert rules["pacing"]["reason"] == "memory_cleanup comes first."
    assert rules["patient"]["reason"] == "True for 0 s of 60 s."
    assert rules["patient"]["state"] == "pending"
    assert rules["calm"]["reason"] == "Its condition is false."
    assert rules["calm"]["values"] == {"memory.utilization": 0.91, "cache.l2.fill": 1.0}
    assert rules["blind"]["state"] == "unavailable"
    assert rules["blind"]["missing"] == ["cpu.pressure", "baseline.cpu.pressure"]
    assert rules["blind"]["holds"] is None
    assert "from level maximum on" in rules["ambitious"]["reason"]
    assert rules["off"]["reason"] == "It is disabled."
    assert rules["stuck"]["change"] is None
    assert rules["stuck"]["no_change"] == "tiers.l2.compression is already zstd."


async def test_what_a_dry_run_says_is_what_a_run_does(live: Sidecar) -> None:
    """The rule that would fire does fire; its trial is shown, and the others wait for it."""
    async with served(live, a_document(MEMORY, PACING), pressed) as (controlled, client):
        for _ in range(10):
            controlled.pass_time()
        [said] = [rule for rule in (await run(client))["rules"] if rule["would_fire"]]
        assert said["rule"] == "memory_cleanup"
        assert controlled.in_force[-1].cache.tiers.l2.max_entries == 900
        trial = (await get(client))["trial"]
        assert trial["rule"] == "memory_cleanup"
        assert trial["change"] == said["change"]
        assert trial["signal"] is None
        assert trial["seconds_left"] == 10.0
        again = await run(client)
        assert {rule["rule"]: rule["reason"] for rule in again["rules"]} == {
            "memory_cleanup": "Its change is on trial for another 10 s.",
            "pacing": "Waits for the trial of memory_cleanup.",
        }
        knob = (await get(client))["knobs"]["tiers.l2.size"]
        assert knob["configured"]["max_entries"] == 1000
        assert knob["effective"]["max_entries"] == 900


async def test_of_two_urgent_rules_the_second_waits_too(live: Sidecar) -> None:
    """A measure that saves memory interrupts an experiment, but not another measure of its type."""
    other = a_measure("other_cleanup", HARD_PRESSED, options={"tier": "l1"})
    async with served(live, a_document(MEMORY, other), pressed) as (controlled, client):
        controlled.pass_time()
        first, second = (await run(client, "?dry_run=true"))["rules"]
        assert (first["would_fire"], second["would_fire"]) == (True, False)
        assert second["reason"] == "memory_cleanup comes first."
        decided = (await run(client))["decisions"]
    assert {decision["rule"] for decision in decided} == {"memory_cleanup"}


async def test_decisions_have_the_fields_of_the_log(live: Sidecar) -> None:
    """The rule that fired, and the change with its old and new values."""
    async with served(live, a_document(MEMORY), pressed) as (controlled, client):
        controlled.pass_time()
        fired, changed = (await run(client))["decisions"]
    assert fired == {
        "event": "fired",
        "rule": "memory_cleanup",
        "condition": HARD_PRESSED,
        "values": {"memory.utilization": 0.91},
    }
    assert changed["event"] == "changed"
    assert changed["to"] == {"max_entries": 900, "max_bytes": 90 * MIB}


async def test_outcomes_are_the_newest_first_in_the_words_of_the_contract(live: Sidecar) -> None:
    """`from`, not `from_`; sizes as objects; null for missing and infinite figures."""
    document = a_document(MEMORY, PACING, dry_run=True)
    async with served(live, document, pressed) as (controlled, client):
        controlled.run(20)
        outcomes = (await get(client, "/outcomes"))["outcomes"]
    assert [outcome["rule"] for outcome in outcomes] == ["pacing", "memory_cleanup"]
    assert list(outcomes[1]) == [
        *("rule", "type", "action", "knob", "from", "to", "outcome", "signal", "before", "after"),
        *("noise", "effect_ratio", "reason", "started_at", "ended_at"),
    ]
    assert outcomes[1]["outcome"] == "dry_run"
    assert outcomes[1]["from"] == {"max_entries": 1000, "max_bytes": 100 * MIB}
    assert outcomes[1]["before"] is None
    assert outcomes[0]["knob"] == "l3.write_bytes_per_second"
    assert outcomes[0]["from"] is None


async def test_an_experiment_that_helps_is_shown_with_its_figures(live: Sidecar) -> None:
    """Before, after, noise and effect; relative to zero the effect is null. `reset` undoes it."""

    def readings(_now: float, effective: Effective) -> Mapping[str, float]:
        return {SIGNAL: 5.0 * (effective.cache.promote_after - 2)}

    async with served(live, a_document(a_rule()), readings) as (controlled, client):
        while not (outcomes := controlled.control.engine.outcomes):
            controlled.run(10)
        [outcome] = (await get(client, "/outcomes"))["outcomes"]
        assert outcome["outcome"] == "improved"
        assert (outcome["before"], outcome["after"], outcome["noise"]) == (0.0, 5.0, 0.0)
        assert outcomes[0].effect_ratio == float("inf")
        assert outcome["effect_ratio"] is None
        assert (await get(client))["knobs"]["promote_after"]["effective"] == 3
        async with client.post("/v1/optimizer/reset") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        assert (await get(client))["knobs"]["promote_after"]["effective"] == 2
        assert controlled.in_force[-1].cache.promote_after == 2
        assert len((await get(client, "/outcomes"))["outcomes"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "names"),
    [
        ("POST", "/run?dry_run=yes", "true or false"),
        ("POST", "/run?dry_run", "true or false"),
        ("POST", "/run?dry-run=true", "dry_run"),
        ("POST", "/run?dry_run=true&dry_run=false", "twice"),
        ("POST", "/reset?dry_run=true", "'dry_run'"),
        ("GET", "/outcomes?limit=5", "'limit'"),
        ("GET", "/rules?rule=%FF", "none"),
        ("GET", "?x", "'x'"),
    ],
)
async def test_a_parameter_in_vain_is_refused(
    client: aiohttp.ClientSession, method: str, path: str, names: str
) -> None:
    """A request with an unknown parameter is refused before anything is changed."""
    ticks = (await get(client))["ticks"]
    async with client.request(method, f"/v1/optimizer{path}") as answer:
        assert names in await problem(answer, 400)
    assert (await get(client))["ticks"] == ticks


async def test_a_body_is_refused(client: aiohttp.ClientSession) -> None:
    """`curl -d dry_run=true` would make the changes that it should only show."""
    async with client.post("/v1/optimizer/run", data={"dry_run": "true"}) as answer:
        assert "in the query" in await problem(answer, 400)


async def test_an_answer_is_indented(client: aiohttp.ClientSession) -> None:
    """People read it."""
    async with client.get("/v1/optimizer/outcomes") as answer:
        assert await answer.text() == '{\n  "outcomes": []\n}\n'


@pytest.mark.parametrize(
    ("shape", "schema"),
    [
        (shown.Overview, "Overview"),
        (shown.Trial, "Trial"),
        (shown.Standing, "Standing"),
        (shown.Knob, "Knob"),
        (shown.Signal, "Signal"),
        (shown.Rule, "Rule"),
        (shown.Rules, "Rules"),
        (shown.Outcomes, "Outcomes"),
        (shown.Run, "Run"),
        (Outcome, "Outcome"),
        (Size, "Size"),
    ],
)
def test_openapi_describes_every_field(shape: Any, schema: str) -> None:
    """All fields are required, and no others are allowed."""
    described = document(DATA)["components"]["schemas"][schema]
    names = [field.encode_name for field in fields(shape)]
    assert list(described["properties"]) == described["required"] == names
    assert described["additionalProperties"] is False


def test_the_configuration_in_force_shows_every_setting() -> None:
    """It shows only settings."""
    shown_cache = in_shape(CacheSettings, CacheConfig())
    assert msgspec.json.encode(shown_cache) == msgspec.json.encode(CacheConfig())


def test_openapi_knows_all_states_and_outcomes() -> None:
    schemas = document(DATA)["components"]["schemas"]
    assert schemas["Rule"]["properties"]["state"]["enum"] == list(STATES)
    assert schemas["Outcome"]["properties"]["outcome"]["enum"] == sorted(VERDICTS)
