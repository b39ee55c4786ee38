"""Conditions: accepted ones have the same meaning in CEL; rejected ones get a reason."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.optimizer.conditions import Operand
from sidecar.optimizer.tokens import MAX_CHARACTERS, MAX_TOKENS, ConditionError
from sidecar.signals.history import SPAN_SECONDS


def refusal(text: str, references: tuple[str, ...] | None = None) -> str:
    """The reason why a condition is rejected."""
    with pytest.raises(ConditionError) as caught:
        CATALOGUE.conditions.compile(text, references=references)
    return str(caught.value)


def test_an_operand_is_listed_once_in_the_order_of_the_text() -> None:
    """Signals, baselines, targets and windows appear as written, in the order of the text."""
    condition = CATALOGUE.conditions.compile(
        'cache.hit_ratio < target.cache.hit_ratio && mean(cpu.pressure, "1m30s") > 0.5'
        " && cache.hit_ratio > baseline.cache.hit_ratio"
    )
    assert condition.operands == (
        Operand("signal", "cache.hit_ratio", "cache.hit_ratio"),
        Operand("target", "cache.hit_ratio", "target.cache.hit_ratio"),
        Operand(
            "window",
            "cpu.pressure",
            'mean(cpu.pressure, "1m30s")',
            CATALOGUE.functions["mean"],
            90.0,
        ),
        Operand("baseline", "cache.hit_ratio", "baseline.cache.hit_ratio"),
    )
    assert condition.evaluate([0.6, 0.75, 0.8, 0.5])
    assert not condition.evaluate([0.6, 0.75, 0.8, 0.7])


def test_the_text_stays_as_it_was_written() -> None:
    """The condition is shown as written, not as the program compiled from it."""
    text = " cache.hit_ratio\n  > 0.5"
    assert CATALOGUE.conditions.compile(text).text == text


@pytest.mark.parametrize("signal", CATALOGUE.signals.values(), ids=lambda signal: signal.name)
def test_every_signal_can_be_asked_for(signal: object) -> None:
    """It can be used alone, as baseline and target, and over a window."""
    name = getattr(signal, "name", "")
    windows = " + ".join(f'{function}({name}, "1s")' for function in CATALOGUE.functions)
    condition = CATALOGUE.conditions.compile(
        f"{name} + baseline.{name} + target.{name} + {windows} > 5.5"
    )
    assert [operand.signal for operand in condition.operands] == [name] * 6
    assert condition.evaluate([1.0] * 6)
    assert not condition.evaluate([0.9] * 6)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("1.0 + 2.0 * 3.0 == 7", True),
        ("(1.0 + 2.0) * 3.0 == 9.0", True),
        ("10.0 - 2.0 - 3.0 == 5.0", True),
        ("8.0 / 2.0 / 2.0 == 2.0", True),
        ("-2.0 * -2.0 == 4.0", True),
        ("1.0--1.0 == 2.0", True),
        ("- -1 == 1", True),
        ("!true == false", True),
        ("!(1 < 2)", False),
        ("1 < 2 == true", True),
        ("true || true && false", True),
        ("(true || true) && false", False),
        ("false && true || true", True),
        ("true ? false : true ? true : true", False),
        ("false ? false : true || false", True),
        ("1 == 1.0", True),
        ("9007199254740992 == 9007199254740992.0", True),
        (".5e1 == 5", True),
        ("1e-400 == 0", True),
        ("-0.0 == 0.0", True),
        ("\"a\" < 'b'", True),
        ('"//" == "/" ', False),
        ("1.0 / 0.0 > 1e308", True),
    ],
)
def test_an_expression_means_what_it_means_in_cel(text: str, holds: bool) -> None:
    """Precedence, associativity, signs, and comparisons of whole numbers with others."""
    assert CATALOGUE.conditions.compile(text).evaluate([]) is holds


@pytest.mark.parametrize(
    "text", ["{0} < 1.0", "{0} >= 1.0", "!({0} < 1.0)", "({0} < 1.0) == false", "{0} == {0}"]
)
def test_arithmetic_without_a_result_holds_nothing(text: str) -> None:
    """A comparison with 0/0 does not hold, and neither does its negation."""
    condition = CATALOGUE.conditions.compile(text.format("(cache.hit_ratio / cache.l1.fill)"))
    assert not condition.evaluate([0.0, 0.0])


def test_the_rest_may_decide_what_arithmetic_does_not() -> None:
    """An alternative that is true is enough, in any position."""
    nothing = "cache.hit_ratio / cache.l1.fill > 1.0"
    for text in (f"{nothing} || cpu.pressure > 0.5", f"cpu.pressure > 0.5 || {nothing}"):
        operands = [operand.signal for operand in CATALOGUE.conditions.compile(text).operands]
        values = [{"cpu.pressure": 0.9}.get(signal, 0.0) for signal in operands]
        assert CATALOGUE.conditions.compile(text).evaluate(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the condition is not complete; write the rest of it (column 1)"),
        ("  ", "the condition is not complete; write the rest of it (column 3)"),
        ("cache.hit_ratio >", "the condition is not complete; write the rest of it (column 18)"),
        ("(", "the condition is not complete; write the rest of it (column 2)"),
        ("cache.hit_ratio", "a condition must be true or false, but this is a number; compare it"),
        ("cache.hit_ratoi > 1", '"cache.hit_ratoi" is not a signal; did you mean cache.hit_ratio?'),
        ("baseline > 1", '"baseline" is not a signal; write for example'),
        ("baseline.x.y > 1", '"x.y" is not a signal; write for example'),
        ('cache.hit_ratio > "0.5"', "a number is compared with text; write the number without"),
        ("cache.hit_ratio == true", "a number is compared with true or false; join comparisons"),
        ("true > false", "true and false have no order; join comparisons with &&"),
        ("0.1 < cpu.pressure < 0.9", "true or false is compared with a number; join comparisons"),
        ("cpu.pressure * 1000 > 1", "* takes no whole number; write 1000.0 (column 14)"),
        ("cpu.pressure * -2 > 1", "* takes no whole number; write -2.0 (column 14)"),
        ("1 / 0 == 1", "/ takes no whole number; write 1.0 (column 3)"),
        ("cpu.pressure + (1) > 1", "+ takes no whole number; write each of them with .0"),
        ('"a" + "b" == "ab"', "+ takes no text; calculate with numbers only"),
        ("cpu.pressure % 2.0 > 1.0", "% is for whole numbers, and no signal is one; remove it"),
        ("-true", "- takes a number, but this is true or false; remove it"),
        ("!cpu.pressure", '! takes true or false, but "cpu.pressure" is a number; compare it'),
        ("cpu.pressure && true", '&& takes true or false, but "cpu.pressure" is a number'),
        ("true || (1)", '|| takes true or false, but "(1)" is a whole number; compare it first'),
        ("1 ? true : false", '? takes true or false, but "1" is a whole number; compare it first'),
        ("(true ? 1 : 1.0) > 1", "? chooses between a whole number and a number; use the same"),
        ("true ? true ? true : true : true", '"?" is misplaced; write : before it'),
        ("true ? false", "the condition is not complete"),
        ("true false", '"false" is misplaced; remove it, or join it with && (column 6)'),
        ("true)", '")" is misplaced; remove it'),
        ("()", '")" is misplaced; remove it'),
        ("cpu.pressure = 1", "write == to compare (column 14)"),
        ("true & true", "write && for and (column 6)"),
        ("true | true", "write || for or (column 6)"),
        ("true // always", "comments are not supported here; write them after # on a separate"),
        ("cpu.pressure != null", "a signal is a number, and a rule without its signals does not"),
        ("cpu.pressure in 1.0", "lists are not supported; compare with == and join with"),
        ("[1.0] == [1.0]", "lists and maps are not supported; remove it"),
        ("{} == {}", "lists and maps are not supported; remove it"),
        ("cache['x'] > 1", "lists and maps are not supported; remove it (column 6)"),
        ("has(cache.hit_ratio)", "the cost of macros is unbounded; compare signals instead"),
        ("cache.all(x, x > 1)", "the cost of macros is unbounded; compare signals instead"),
        ('size("a") == 1', '"size" is not a function here; write one of mean, p95, rate'),
        (
            'cache.hit_ratio.startsWith("a") > 1',
            '"cache.hit_ratio.startsWith" is not a function here',
        ),
        ("double(1) > 1.0", '"double" is not a function here; write one of mean, p95, rate'),
        ("mean() > 1", "a function takes a signal and a duration; write for example mean("),
        ("mean(cpu.pressure) > 1", "a function takes a signal and a duration in quotes; write"),
        ("mean(cpu.pressure,) > 1", "a function takes a signal and a duration; write for example"),
        ("mean(cpu.pressure, 5m) > 1", '"5m" is not a number; write for example 0.5 or 1000.0'),
        ("mean(cpu.pressure, 300) > 1", "a function takes a signal and a duration in quotes"),
        ('mean(0.5, "5m") > 1', "a function takes a signal and a duration in quotes"),
        ('mean(cpu.pressure + 1.0, "5m") > 1', '"+" is misplaced; write ) before it'),
        ('mean(cpu.presure, "5m") > 1', '"cpu.presure" is not a signal; did you mean cpu.pressure'),
        ('mean(target.cpu.pressure, "5m") > 1', '"target.cpu.pressure" is not a signal; did you'),
        ('mean(cpu.pressure, "5 m") > 1', '"5 m" is not a duration; write for example 30s or'),
        (
            'mean(cpu.pressure, "999ms") > 1',
            '"999ms" is not between 1s and 60m, the length of the',
        ),
        ('mean(cpu.pressure, "61m") > 1', '"61m" is not between 1s and 60m, the length of the'),
        ('mean(cpu.pressure, "5m") == "a', "the text has no end, or contains a backslash; close"),
        ('"a\\"" == "a"', "the text has no end, or contains a backslash; close it"),
        ("1u > 0", '"1u" is not a number; write for example 0.5 or 1000.0 (column 1)'),
        ("0x10 > 0", '"0x10" is not a number; write for example 0.5 or 1000.0'),
        ("1. > 0", '"1." is not a number; write for example 0.5 or 1000.0'),
        ("1.2.3 > 0", '"1.2.3" is not a number; write for example 0.5 or 1000.0'),
        ("1e999 > 0", "the number is too large; write at most 1e308"),
        ("9007199254740993 > 0", "the whole number is too large; write it as 1e16"),
        ("é > 0", '"é" is not supported here; remove it'),
        ("٣ > 0", '"٣" is not supported here; remove it'),
        ("true\u2028", '"\\u2028" is not supported here; remove it'),
        ("true\x00", "is not supported here; remove it (column 5)"),
        ("true @ true", '"@" is not supported here; remove it (column 6)'),
    ],
)
def test_what_is_refused_says_why_and_where(text: str, message: str) -> None:
    """The message is one sentence that ends with advice, and the column."""
    assert message in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "true || " * (MAX_TOKENS // 2) + "true",
        "(" * 33 + "true" + ")" * 33,
        "!" * 33 + "true",
        "true ? true : " * 33 + "true",
        "true" + " " * MAX_CHARACTERS,
    ],
)
def test_what_costs_too_much_is_refused(text: str) -> None:
    """Length, size and depth are limited, so that a hundred rules fit into a tick."""
    assert refusal(text).startswith("too costly: ")


def test_what_is_just_within_the_bounds_is_taken() -> None:
    """A long chain of operators is not nested."""
    for text in ("true && " * (MAX_TOKENS // 2 - 1) + "true", "(" * 31 + "true" + ")" * 31):
        assert CATALOGUE.conditions.compile(text).evaluate([])


def test_a_baseline_that_nobody_states_is_refused() -> None:
    """Baselines and targets are separate; a signal has one, the other, both or none."""
    stated = ("target.cache.hit_ratio",)
    CATALOGUE.conditions.compile("cache.hit_ratio < target.cache.hit_ratio", references=stated)
    assert refusal("cpu.pressure > 0.5 && cache.hit_ratio < baseline.cache.hit_ratio", stated) == (
        "cache.hit_ratio has no baseline; state one in baselines.yaml (column 41)"
    )


def test_a_window_may_be_as_long_as_signals_are_remembered() -> None:
    """One hour is allowed, and no second more."""
    [operand] = CATALOGUE.conditions.compile('rate(cpu.pressure, "60m") > 0').operands
    assert operand.seconds == SPAN_SECONDS


def test_a_condition_is_evaluated_for_any_double() -> None:
    """This includes infinite values; only NaN has no order."""
    condition = CATALOGUE.conditions.compile("cpu.pressure > 0.5")
    assert condition.evaluate([math.inf])
    assert not condition.evaluate([math.nan])


def test_the_command_line_of_the_library_is_not_imported() -> None:
    """It would import typer and rich, 26 MiB, into every sidecar."""
    program = (
        "import sys, sidecar.optimizer.conditions;"
        "print(sorted({'cel', 'typer', 'rich'} & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "['cel']", done.stderr
