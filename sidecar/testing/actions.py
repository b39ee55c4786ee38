"""The contract of every action, for plugins too.

A plugin's tests subclass ActionContract and override `action`, and also `options` if it has fields
of types that are not in `FIELDS`:

    class TestMine(ActionContract):
        @pytest.fixture(scope="class")
        @classmethod
        def action(cls) -> Action:
            return Mine()
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import HealthCheck, Phase, find, given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from sidecar.catalogue import CATALOGUE, Catalogue
from sidecar.config.knobs import turned
from sidecar.config.schema import Ceiling, Count, IdleTime, Percent
from sidecar.config.schema import Size as SizeField
from sidecar.config.section import Section
from sidecar.model.change import Declined, OneShot, Size, Turn, Value
from sidecar.optimizer.actions.protocol import Action
from sidecar.optimizer.situation import Situation
from sidecar.testing.situations import after, situations

FIELDS: tuple[tuple[Any, st.SearchStrategy[Any]], ...] = (
    (Percent, st.integers(1, 100).map("{}%".format)),
    (Ceiling, st.sampled_from(["100%", "150%", "400%", "10000%"])),
    (SizeField, st.sampled_from(["1", "64KiB", "1MiB", "3GiB", "1024TiB"])),
    (IdleTime, st.sampled_from(["1s", "15s", "75s"])),
    (Count, st.integers(1, 10)),
)
"""Example values for the types of `config.schema`. Other text is the name of a policy."""

LONGEST = 5000
"""The most turns to an action's limit; steps of 1 % from 1 to 1,000,000,000 take 2,000."""

# Situations are large, and a slow machine must not fail the suite.
relaxed = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


class ActionContract:
    """Tests that hold for every `action`."""

    @pytest.fixture(scope="class")
    @classmethod
    def action(cls) -> Action:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def catalogue(cls) -> Catalogue:
        """What the action's sidecar knows."""
        return CATALOGUE

    def options(self, action: Action, catalogue: Catalogue) -> st.SearchStrategy[dict[str, Any]]:
        """The values that a rule may set in `with`."""
        fields, names = action.Options.model_fields, sorted(catalogue.policies)
        required = {key: _values(it, names) for key, it in fields.items() if it.is_required()}
        defaulted = {key: _values(it, names) for key, it in fields.items() if not it.is_required()}
        return st.fixed_dictionaries(required, optional=defaulted)

    def counted_from(self, action: Action, moment: Situation, knob: str) -> Value:
        """The base of a step's share: the knob's value, unless the action defines another."""
        return moment.knob(knob)

    def floor(self, moment: Situation, knob: str, options: Any) -> Value:
        """The lowest value to which an action with `at_least` turns a knob."""
        return _times(moment.knobs[knob].read(moment.configured), options.at_least)

    def ceiling(self, moment: Situation, knob: str, options: Any) -> Value:
        """The highest value to which an action with `at_most` turns a knob."""
        return _times(moment.knobs[knob].read(moment.configured), options.at_most)

    def test_it_says_what_it_is(self, action: Action) -> None:
        """It has a name, the type of its rules, and a docstring, also for every option."""
        assert action.name.isidentifier()
        assert re.fullmatch("[a-z0-9_]{1,63}", action.rule_type)
        assert type(action).__doc__
        assert issubclass(action.Options, Section)
        for name, field in action.Options.model_fields.items():
            assert field.description, f"{name} has no docstring"

    def test_there_are_moments_for_it(self, action: Action, catalogue: Catalogue) -> None:
        """Not at every moment is there nothing to change: the other tests would see no change."""

        def acts(drawn: tuple[dict[str, Any], Situation]) -> bool:
            written, moment = drawn
            try:
                options = action.Options.model_validate(written, context=catalogue.vocabulary)
            except ValidationError:
                return False
            return not isinstance(action.propose(moment, options), Declined)

        drawn = st.tuples(self.options(action, catalogue), situations(catalogue))
        find(drawn, acts, settings=settings(relaxed, max_examples=2000, phases=[Phase.generate]))

    def test_options_are_strict(self, action: Action) -> None:
        """An unknown key is reported as a mistake."""
        with pytest.raises(ValidationError, match="extra_forbidden"):
            action.Options.model_validate({"wish": "20%"})

    @relaxed
    @given(st.data())
    def test_the_same_moment_gives_the_same_answer(
        self, action: Action, catalogue: Catalogue, data: st.DataObject
    ) -> None:
        """It never raises; it returns a change of a known knob or one-shot, or a sentence."""
        moment = data.draw(situations(catalogue))
        options = self._draw(data, action, catalogue)
        answer = action.propose(moment, options)
        assert action.propose(moment, options) == answer
        match answer:
            case Declined(reason):
                assert reason.isprintable()
                assert reason.endswith(".")
            case OneShot(name):
                assert name in catalogue.one_shots
            case Turn(knob, to):
                assert to != moment.knob(knob)

    @relaxed
    @given(st.data())
    def test_a_turn_can_be_put_in_force_and_back(
        self, action: Action, catalogue: Catalogue, data: st.DataObject
    ) -> None:
        """The value has the knob's type and reads back; turning it back restores the old value."""
        moment = data.draw(situations(catalogue))
        turn = action.propose(moment, self._draw(data, action, catalogue))
        if isinstance(turn, Turn):
            before = moment.knob(turn.knob)
            back = Turn(turn.knob, before)
            assert type(turn.to) is type(before)
            there = moment.turned(turn)
            assert moment.knobs[turn.knob].read(there) == turn.to
            assert moment.knobs[turn.knob].read(turned(moment.knobs, there, back)) == before

    @relaxed
    @given(st.data())
    def test_a_step_is_no_longer_than_rule_and_level_allow(
        self, action: Action, catalogue: Catalogue, data: st.DataObject
    ) -> None:
        """A step is at most the smaller share of its base, or one for whole numbers."""
        moment = data.draw(situations(catalogue))
        options = self._draw(data, action, catalogue)
        turn = action.propose(moment, options)
        if not isinstance(turn, Turn) or not hasattr(options, "by"):
            return
        share = min(options.by, moment.step)
        base = _parts(self.counted_from(action, moment, turn.knob))
        for new, old, counted in zip(
            _parts(turn.to), _parts(moment.knob(turn.knob)), base, strict=True
        ):
            longest = max(1 if isinstance(old, int) else 0, counted * share * (1 + 1e-9))
            assert new == old or counted - longest <= new <= max(old, counted + longest)

    @relaxed
    @given(st.data())
    def test_floor_and_ceiling_hold_at_every_level(
        self, action: Action, catalogue: Catalogue, data: st.DataObject
    ) -> None:
        """The new value stays between `at_least` and `at_most`."""
        moment = data.draw(situations(catalogue))
        options = self._draw(data, action, catalogue)
        turn = action.propose(moment, options)
        if not isinstance(turn, Turn):
            return
        old, new = _parts(moment.knob(turn.knob)), _parts(turn.to)
        if hasattr(options, "at_least"):
            floor = _parts(self.floor(moment, turn.knob, options))
            assert all(n == o or n >= f for n, o, f in zip(new, old, floor, strict=True))
        if hasattr(options, "at_most"):
            ceiling = _parts(self.ceiling(moment, turn.knob, options))
            assert all(n == o or n <= c for n, o, c in zip(new, old, ceiling, strict=True))

    @settings(relaxed, max_examples=20)
    @given(st.data())
    def test_repeated_it_comes_to_an_end(
        self, action: Action, catalogue: Catalogue, data: st.DataObject
    ) -> None:
        """Repeated turns go in the same direction, until the action declines."""
        moment = data.draw(situations(catalogue))
        options = self._draw(data, action, catalogue)
        ways: set[tuple[str, int, bool]] = set()
        for _ in range(LONGEST):
            match action.propose(moment, options):
                case Declined() | OneShot():
                    return
                case Turn(knob, to) as turn:
                    parts = zip(_parts(to), _parts(moment.knob(knob)), strict=True)
                    for index, (new, old) in enumerate(parts):
                        if new != old:
                            ways.add((knob, index, new > old))
                            assert (knob, index, new < old) not in ways, "there and back"
                    moment = after(moment, turn)
        raise AssertionError("it never declines")

    def _draw(self, data: st.DataObject, action: Action, catalogue: Catalogue) -> Any:
        written = data.draw(self.options(action, catalogue))
        try:
            return action.Options.model_validate(written, context=catalogue.vocabulary)
        except ValidationError:  # a policy that the tier does not support
            reject()


def _values(field: FieldInfo, policies: list[str]) -> st.SearchStrategy[Any]:
    if get_origin(field.annotation) is Literal:
        return st.sampled_from(get_args(field.annotation))
    for annotated, values in FIELDS:
        if list(annotated.__metadata__) == field.metadata:
            return values
    return st.sampled_from(policies)


def _parts(value: Value) -> tuple[float, ...]:
    """The numbers in a value; empty if it has none."""
    match value:
        case Size(entries, size_bytes):
            return (entries, size_bytes)
        case int() | float():
            return (value,)
        case _:
            return ()


def _times(value: Value, factor: float) -> Value:
    match value:
        case Size(entries, size_bytes):
            return Size(int(entries * factor), int(size_bytes * factor))
        case int() if not isinstance(value, bool):
            return int(value * factor)
        case float():
            return value * factor
        case _:
            return value
