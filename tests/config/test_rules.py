"""rules.yaml and baselines.yaml -> values, or all of their errors with line and field.

More than 300 lines in one file, since its table of errors is most of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument
from sidecar.config.quantities import parse_duration
from sidecar.config.rules_schema import (
    LONGEST_SETTLE,
    LONGEST_WINDOW,
    MAX_BASELINES,
    MAX_RULES,
    MAX_WINDOWS,
)
from sidecar.config.values import (
    DEFAULT_BASELINES,
    BaselineConfig,
    Document,
    ExpectConfig,
    GuardConfig,
    OptimizerConfig,
    RuleConfig,
)
from sidecar.signals.history import SPAN_SECONDS

VOCABULARY = CATALOGUE.vocabulary

DESIGN = """\
level: balanced            # conservative | balanced | aggressive | maximum
interval: 30s
dry_run: false           # true: says what it would do; enabled: false switches the optimizer off
rules:
  - name: memory_cleanup
    type: memory           # memory | cpu | io | network | cache | gc
    level: conservative    # the lowest level at which it runs
    when: memory.utilization > 0.85
    for: 1m
    cooldown: 5m
    action: shrink_tier
    with: {tier: l2, by: 20%}
    expect: {signal: memory.utilization, better: lower, by: 5%, window: 1m, settle: 10s}
    guard: {signal: cache.hit_ratio, worse_by: 10%}
"""

DESIGN_BASELINES = """\
baselines:
  cache.hit_ratio:           {baseline: 0.50, target: 0.75, better: higher}
  http.get_p99_seconds:      {baseline: 0.010, target: 0.002, better: lower}
"""

RULE = "name: a, type: gc, when: cpu.pressure > 0.5, action: collect"


def parsed(rules: str | None = None, baselines: str | None = None) -> Document:
    """The document in these two texts."""
    texts = {"rules.yaml": rules, "baselines.yaml": baselines}
    stated = {key: text for key, text in texts.items() if text is not None}
    return parse(stated, vocabulary=VOCABULARY)


def mistakes(rules: str | None = None, baselines: str | None = None) -> list[str]:
    """The errors in these texts, one line each."""
    with pytest.raises(InvalidDocument) as caught:
        parsed(rules, baselines)
    return [str(error) for error in caught.value.errors]


def test_the_rules_of_the_documentation_are_read_as_they_stand() -> None:
    """Durations are seconds, percentages are shares, options stay as written."""
    assert parsed(DESIGN).optimizer == OptimizerConfig(
        level="balanced",
        interval_seconds=30.0,
        dry_run=False,
        rules=(
            RuleConfig(
                name="memory_cleanup",
                type="memory",
                level="conservative",
                when="memory.utilization > 0.85",
                for_seconds=60.0,
                cooldown_seconds=300.0,
                action="shrink_tier",
                options={"tier": "l2", "by": "20%"},
                expect=ExpectConfig(
                    signal="memory.utilization",
                    better="lower",
                    by=0.05,
                    window_seconds=60.0,
                    settle_seconds=10.0,
                ),
                guard=GuardConfig(signal="cache.hit_ratio", better="higher", worse_by=0.1),
            ),
        ),
    )


def test_the_baselines_of_the_documentation_are_the_default() -> None:
    """The documented baselines.yaml gives the same as none."""
    assert parsed(baselines=DESIGN_BASELINES).baselines == DEFAULT_BASELINES
    assert parsed().baselines == DEFAULT_BASELINES


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}"])
def test_a_text_without_a_list_leaves_the_default_one(text: str) -> None:
    """An empty file is valid, and so is one with only comments; the shipped rules stay in force."""
    assert parsed(text, text).optimizer == parsed().optimizer
    assert parsed(text, text).baselines == DEFAULT_BASELINES


def test_what_is_stated_beside_the_default_rules_applies_to_them() -> None:
    """Another level does not require a copy of the rules."""
    optimizer = parsed("level: aggressive\ninterval: 1m\nenabled: false\ndry_run: true").optimizer
    assert optimizer.rules == parsed().optimizer.rules
    assert (optimizer.level, optimizer.interval_seconds) == ("aggressive", 60.0)
    assert (optimizer.enabled, optimizer.dry_run) == (False, True)


def test_an_empty_list_is_all_there_is() -> None:
    """An empty list means no rules, or no baselines."""
    document = parsed("rules: []", "baselines: {}")
    assert (document.optimizer.rules, document.baselines) == ((), ())


def test_a_default_rule_does_not_need_the_baselines_that_somebody_left_out() -> None:
    """It is unavailable then, which is not an error: the rule is not in the operator's document."""
    assert parsed(baselines="baselines: {}").optimizer.rules == parsed().optimizer.rules


def test_a_rule_needs_no_more_than_a_name_a_condition_and_an_action() -> None:
    """Without `expect` it is a measure, and without `guard` it has none."""
    [rule] = parsed(f"rules: [{{{RULE}}}]").optimizer.rules
    assert rule == RuleConfig(name="a", type="gc", when="cpu.pressure > 0.5", action="collect")


def test_a_guard_looks_for_as_long_as_its_expectation() -> None:
    """Both use the same window, unless the guard states one."""
    expect = "expect: {signal: cpu.pressure, by: 5%, window: 3m}"
    guard = "guard: {signal: cache.hit_ratio, worse_by: 0.5%%}"
    [rule] = parsed(f"rules: [{{{RULE}, {expect}, {guard % ()}}}]").optimizer.rules
    assert rule.guard == GuardConfig(
        signal="cache.hit_ratio", better="higher", worse_by=0.005, window_seconds=180.0
    )
    own = "guard: {signal: cache.hit_ratio, worse_by: 5%, window: 2m}"
    [rule] = parsed(f"rules: [{{{RULE}, {expect}, {own}}}]").optimizer.rules
    assert rule.guard is not None
    assert rule.guard.window_seconds == 120.0


def test_a_learned_baseline_is_no_number() -> None:
    """A target may be stated with it; the half-life is a day by default."""
    text = """
        baselines:
          cpu.pressure: {baseline: learn}
          io.pressure: {baseline: learn, target: 0.1, half_life: 1h}
    """
    assert parsed(baselines=text).baselines == (
        BaselineConfig(signal="cpu.pressure", better="lower", learn=True),
        BaselineConfig(
            signal="io.pressure", better="lower", target=0.1, learn=True, half_life_seconds=3600.0
        ),
    )


@pytest.mark.parametrize("signal", CATALOGUE.signals.values(), ids=lambda signal: signal.name)
def test_the_better_direction_is_that_of_the_signal(signal: object) -> None:
    """For a signal without a better direction, the document must state it."""
    name, better = getattr(signal, "name", ""), getattr(signal, "better", None)
    expect = f"expect: {{signal: {name}, by: 5%}}"
    entry = f"baselines: {{{name}: {{target: 1}}}}"
    if better is not None:
        document = parsed(f"rules: [{{{RULE}, {expect}}}]", entry)
        found = document.optimizer.rules[0].expect
        assert found is not None
        assert (found.better, document.baselines[0].better) == (better, better)
        return
    sentence = f"better: {name} is good neither high nor low; write higher or lower"
    assert mistakes(f"rules: [{{{RULE}, {expect}}}]", entry) == [
        f'baselines.yaml:1: baselines."{name}".{sentence}',
        f"rules.yaml:1: rules[0].expect.{sentence}",
    ]


def test_a_stated_direction_holds() -> None:
    """It takes precedence over the direction of the signal."""
    text = """
        baselines:
          cache.l1.fill: {target: 1, better: higher}
          io.pressure: {target: 0, better: higher}
    """
    assert [baseline.better for baseline in parsed(baselines=text).baselines] == ["higher"] * 2


def test_every_mistake_is_reported_at_once_in_reading_order() -> None:
    """The operator needs one round of corrections, however many errors in however many files."""
    assert mistakes(
        """\
level: hot
rules:
  - name: one
    type: cpu
    when: memory.utilisation > 0.85
    cooldown: 0s
    action: shrink_tier
    with: {tier: l3, by: 120%}
    expect: {signal: memory.utilizaton, by: 0.05, window: 26m}
  - {name: one, type: gc, when: cache.hit_ratio > "x", action: collekt}
""",
        "baselines:\n  cache.hit: {target: 1}\n",
    ) == [
        'baselines.yaml:2: baselines."cache.hit": "cache.hit" is not a signal; did you mean'
        " cache.hit_ratio?",
        'rules.yaml:1: level: "hot" is not valid here; write conservative, balanced, aggressive or'
        " maximum",
        "rules.yaml:4: rules[0].type: shrink_tier is an action of type memory; write type: memory",
        'rules.yaml:5: rules[0].when: "memory.utilisation" is not a signal; did you mean'
        " memory.utilization? (column 1)",
        'rules.yaml:6: rules[0].cooldown: "0s" is too short; write at least 1s',
        'rules.yaml:8: rules[0].with.by: "120%" is more than 100%; write at most 100%',
        'rules.yaml:8: rules[0].with.tier: "l3" is not valid here; write l1 or l2',
        "rules.yaml:9: rules[0].expect.by: 0.05 is not a percentage; write for example 20%",
        'rules.yaml:9: rules[0].expect.signal: "memory.utilizaton" is not a signal; did you mean'
        " memory.utilization?",
        'rules.yaml:9: rules[0].expect.window: "26m" is too long; write at most 25m',
        'rules.yaml:10: rules[1].action: "collekt" is not an action; did you mean collect?',
        "rules.yaml:10: rules[1].name: the rule on line 3 has this name; write another",
        "rules.yaml:10: rules[1].when: a number is compared with text; write the number without"
        " quotes (column 17)",
    ]


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("name: A", 'name: "A" is not a name; write 1 to 63 of a-z, 0-9 and _'),
        ('name: ""', 'name: "" is not a name; write 1 to 63 of a-z, 0-9 and _'),
        (f"name: {'a' * 64}", f'name: "{"a" * 60}..." is not a name; write 1 to 63 of a-z'),
        ("name: 5", "name: 5 is not text; put it in quotes"),
        ("type: disk", 'type: "disk" is not valid here; write memory, cpu, io, network, cache or'),
        ("type: io", "type: collect is an action of type gc; write type: gc"),
        ("level: 3", "level: 3 is not valid here; write conservative, balanced, aggressive or max"),
        ("enabled: maybe", 'enabled: "maybe" is neither true nor false; write true or false'),
        ("when: true", "when: true is not text; put it in quotes"),
        ("when: 1 +", "when: the condition is not complete; write the rest of it (column 4)"),
        ("when: cache.hit_ratio", "when: a condition must be true or false, but this is a number"),
        ("when: 'has(a)'", "when: the cost of macros is unbounded; compare signals instead"),
        ("when: cpu.pressure > target.cpu.pressure", "when: cpu.pressure has no target; state one"),
        ("for: 5", "for: 5 has no unit; write 5s for seconds"),
        ("for: 25h", 'for: "25h" is too long; write at most 1d'),
        ("cooldown: 999ms", 'cooldown: "999ms" is too short; write at least 1s'),
        ("cooldown: 31d", 'cooldown: "31d" is too long; write at most 30d'),
        ("cooldown: 365000d", 'cooldown: "365000d" is more than a hundred years; write a shorter'),
        ("cooldown: never", 'cooldown: "never" is not a duration; write for example 30s or 1h30m'),
        ("action: explode", 'action: "explode" is not an action; write one of collect, compact_l3'),
        ("with: {now: 1}", "with.now: unknown key; remove it"),
        ("with: fast", 'with: "fast" is not a mapping; write keys with values below it, or remove'),
        ("with:", "with: the value is missing; add one, or remove the key"),
        ("speed: 1", "speed: unknown key; write one of action, cooldown, enabled, expect, for,"),
        ("for_: 1m", "for_: unknown key; did you mean for?"),
        ("expect: {signal: cpu.pressure}", "expect.by: the key is missing; add it"),
        ("expect: {by: 5%}", "expect.signal: the key is missing; add it"),
        ("expect: {signal: cpu, by: 5%}", 'expect.signal: "cpu" is not a signal; '),
        ("expect: {signal: cpu.pressure, by: -5%}", 'expect.by: "-5%" is not a percentage; write'),
        ("expect: {signal: cpu.pressure, by: 101%}", 'expect.by: "101%" is more than 100%; write'),
        ("expect: {signal: cpu.pressure, by: 5%, window: 0s}", 'expect.window: "0s" is too short'),
        ("expect: {signal: cpu.pressure, by: 5%, settle: 11m}", 'expect.settle: "11m" is too long'),
        ("expect: {signal: cpu.pressure, by: 5%, better: less}", 'expect.better: "less" is not va'),
        ("guard: {signal: cpu.pressure, by: 5%}", "guard.by: unknown key; write one of better, si"),
        ("guard: {signal: cpu.pressure, worse_by: 5}", "guard.worse_by: 5 is not a percentage; wr"),
        ("guard: []", "guard: a list is not a mapping; write keys with values below it, or remove"),
    ],
)
def test_a_wrong_field_of_a_rule_is_answered_with_what_to_write(field: str, sentence: str) -> None:
    """Every error begins with file, line and path, and states what is valid."""
    key = field.partition(":")[0]
    fields = [it for it in RULE.split(", ") if not it.startswith(f"{key}:")]
    lines = "".join(f"  {it}\n" for it in fields)
    found = [it for it in mistakes(f"rules:\n- {field}\n{lines}") if f"rules[0].{key}" in it]
    assert found[0].startswith(f"rules.yaml:2: rules[0].{sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a", "a list is not a mapping; write keys with values below it, or remove it"),
        ("levels: balanced", "levels: unknown key; did you mean level?"),
        ("interval: 30", "interval: 30 has no unit; write 30s for seconds"),
        ("interval: 500ms", 'interval: "500ms" is too short; write at least 1s'),
        ("interval: 2h", 'interval: "2h" is too long; write at most 1h'),
        ("dry_run: 1", "dry_run: 1 is neither true nor false; write true or false"),
        ("rules:", "rules: the value is missing; add one, or remove the key"),
        ("rules: {a: {}}", "rules: a mapping is not a list; write for example [a, b]"),
        ("rules: [a]", 'rules[0]: "a" is not a mapping; write keys with values below it, or'),
        ("rules: [{}]", "rules[0].action: the key is missing; add it"),
        (
            "rules: [{name: a, type: memory, when: 'true', action: shrink_tier}]",
            "rules[0].with.tier: the key is missing; add it",
        ),
    ],
)
def test_a_wrong_text_of_rules_is_answered_with_what_to_write(text: str, sentence: str) -> None:
    """This also holds outside of rules, and for missing keys."""
    assert mistakes(text)[0].startswith(f"rules.yaml:1: {sentence}")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{}", ": there is neither a baseline nor a target; write one of them"),
        ("0.5", ": 0.5 is not a mapping; write keys with values below it, or remove it"),
        ("{baseline: 50%}", '.baseline: "50%" is neither a number nor learn; write for example'),
        ("{baseline: true}", ".baseline: true is neither a number nor learn; write for example"),
        ("{baseline: 1e999}", ".baseline: inf is neither a number nor learn; write for example"),
        ("{target: learn}", '.target: "learn" is not a number; write for example 0.01'),
        ("{target: -1e999}", ".target: -inf is not finite; write for example 0.75"),
        ("{target: 1, better: up}", '.better: "up" is not valid here; write higher or lower'),
        (
            "{target: 1, half_life: 1h}",
            ".half_life: a half-life requires a learned baseline; write",
        ),
        ("{baseline: learn, half_life: 59s}", '.half_life: "59s" is too short; write at least 1m'),
        ("{baseline: learn, half_life: 31d}", '.half_life: "31d" is too long; write at most 30d'),
        ("{target: 1, goal: 2}", ".goal: unknown key; write one of baseline, better, half_life"),
    ],
)
def test_a_wrong_baseline_is_answered_with_what_to_write(entry: str, sentence: str) -> None:
    """The path names the signal."""
    [mistake] = mistakes(baselines=f"baselines:\n  io.pressure: {entry}")
    assert mistake.startswith(f'baselines.yaml:2: baselines."io.pressure"{sentence}')


def test_a_mistake_in_a_baseline_is_none_in_the_rules_that_name_it() -> None:
    """An error is reported once; the baselines in an unreadable text are unknown."""
    rules = f"rules: [{{{RULE.replace('0.5', 'baseline.cpu.pressure')}}}]"
    for text in (
        "baselines: {cpu.pressure: {baseline: low}}",
        "baselines: {cpu.pressure: low}",
        "a: [",
    ):
        [mistake] = mistakes(rules, text)
        assert mistake.startswith("baselines.yaml:1: ")


def test_a_rule_may_name_what_is_learned() -> None:
    """A learned baseline has a target too."""
    text = "baselines: {cpu.pressure: {baseline: learn}}"
    when = "baseline.cpu.pressure + target.cpu.pressure"
    assert parsed(f"rules: [{{{RULE.replace('0.5', when)}}}]", text).optimizer.rules


def test_numbers_of_rules_and_baselines_are_bounded() -> None:
    """Rules are evaluated at every tick, and each baseline has metrics, so both are limited."""
    rules = "rules:\n" + "".join(f"- {{{RULE.replace('a,', f'a{n},', 1)}}}\n" for n in range(101))
    assert mistakes(rules) == [f"rules.yaml:1: rules: there are more than {MAX_RULES}; remove some"]
    assert len(parsed(rules.rpartition("- ")[0]).optimizer.rules) == MAX_RULES
    entries = "baselines:\n" + "".join(f"  signal{n}: {{target: 1}}\n" for n in range(61))
    assert f"there are more than {MAX_BASELINES}" in mistakes(baselines=entries)[0]


def with_windows(function: str, seconds: Sequence[int]) -> str:
    """A rule on a line of its own for each window of so many seconds."""
    lines = ["rules:"]
    for number, length in enumerate(seconds):
        when = f"""'{function}(cpu.pressure, "{length}s") > 0.5'"""
        rule = RULE.replace("a,", f"a{number},", 1).replace("cpu.pressure > 0.5", when)
        lines.append(f"- {{{rule}}}")
    return "\n".join(lines)


@pytest.mark.parametrize("seconds", [range(1, MAX_WINDOWS + 1), range(3592, 3600), [3600] * 100])
def test_windows_that_are_kept_sorted_are_bounded(seconds: Sequence[int]) -> None:
    """By their number and their length together, at the rule that has one too many. The same one in
    all rules counts once, and those of other functions cost nothing.
    """
    assert parsed(with_windows("p95", seconds)).optimizer.rules
    count = len(seconds)
    if count < MAX_RULES:
        [mistake] = mistakes(with_windows("p95", [*seconds, 3600]))
        assert mistake.startswith(f"rules.yaml:{count + 2}: rules[{count}].when: too costly: ")
    assert parsed(with_windows("mean", range(3501, 3601))).optimizer.rules


def test_the_longest_trial_is_within_what_is_remembered() -> None:
    """A window before the change, the time to settle, and a window after it."""
    window, settle = parse_duration(LONGEST_WINDOW), parse_duration(LONGEST_SETTLE)
    assert window + settle + window <= SPAN_SECONDS


def test_errors_are_no_more_than_anybody_reads() -> None:
    """A hundred invalid rules have a hundred errors."""
    assert len(mistakes("rules:\n" + "- {when: x, for: 1, expect: {}}\n" * 100)) == 100
