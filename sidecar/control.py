"""The control loop: measure, evaluate, apply.

Every second the sampler takes its readings, the engine evaluates them, and the loop applies its
decisions. The engine only decides; this module only applies.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec
import structlog

from sidecar.config.knobs import Effective, Knobs
from sidecar.config.values import CacheConfig, Document
from sidecar.config.vocabulary import Vocabulary
from sidecar.model.change import OneShot
from sidecar.model.clock import Clock
from sidecar.model.outcome import Verdict
from sidecar.model.snapshot import Snapshot
from sidecar.optimizer import saved as saved_state
from sidecar.optimizer.decisions import Decision, Explanation, SavedState
from sidecar.optimizer.engine import Engine
from sidecar.optimizer.evaluation import Moment
from sidecar.optimizer.rules import Rule
from sidecar.optimizer.trial import Trial
from sidecar.process import state_file
from sidecar.signals.history import History
from sidecar.signals.sampler import Sampler

FILE = "optimizer.state"
MOST_FILE_BYTES = 8 << 20
SAVE_SECONDS = 60.0
MOST_SHOWN = 64
"""Letters of a name, and names, in a line of the log."""

_TITLES = {
    "fired": "Rule fired",
    "changed": "Change made",
    "rolled_back": "Change rolled back",
    "released": "Measure released",
}
_VERDICT_TITLES: dict[Verdict, str] = {
    "improved": "Change improved",
    "regressed": "Change regressed",
    "neutral": "Change neutral",
    "applied": "Change applied",
    "failed": "Change failed",
    "interrupted": "Change interrupted",
    "dry_run": "Change not made, since dry_run is on",
}

Figures = Mapping[str, float | str]

log = structlog.get_logger("sidecar.optimizer")


class Control:
    """Owns the engine of a running sidecar; `look` returns the cache's state.

    `put_in_force` applies values from now on; `perform` makes a one-shot change and returns its
    figures. Both raise an exception on failure. `clock` is monotonic and the same as that of the
    sampler and the engine; `wall` is for records.
    """

    def __init__(
        self,
        engine: Engine,
        sampler: Sampler,
        history: History,
        *,
        look: Callable[[], Snapshot],
        put_in_force: Callable[[Effective], None],
        perform: Callable[[OneShot], Awaitable[Figures]],
        data_dir: Path,
        save: state_file.Save = state_file.save,
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
    ) -> None:
        self.engine = engine
        self.history = history
        self._sampler = sampler
        self._look = look
        self._put_in_force = put_in_force
        self._perform = perform
        self._file = data_dir / FILE
        self._write = save
        self._clock = clock
        self._wall = wall
        self._in_force: Effective | None = None
        self._one_shot: asyncio.Task[None] | None = None
        self._save_at = clock() + SAVE_SECONDS
        self._saving: asyncio.Task[None] | None = None
        self._saving_fails = False

    def start(self) -> None:
        """Apply the engine's initial values, and log the rules."""
        self._apply()
        _log_rules((), self.engine.rules)

    async def run(self) -> None:
        """Run until cancelled."""
        async for now in self._sampler.samples():
            decisions = self.engine.tick(self.moment, now)
            self._do(decisions)
            concluded = any(decision.event == "concluded" for decision in decisions)
            if concluded or now >= self._save_at:
                await self.save()

    async def close(self) -> None:
        """End the trial in progress, and save the optimizer's state."""
        self._do(self.engine.stop(self._clock(), self._wall()))
        if self._one_shot is not None:
            self._one_shot.cancel()
            await asyncio.wait([self._one_shot])
        await self.save()

    # ---- requests from outside the loop

    def configure(self, document: Document) -> None:
        """Use the rules and baselines of another document."""
        before = self.engine.rules
        self._do(self.engine.configure(document, self._clock(), self._wall()))
        _log_rules(before, self.engine.rules)

    def reset(self) -> None:
        """Undo all changes that the optimizer has kept."""
        self._do(self.engine.reset(self._clock(), self._wall()))
        log.info("Optimizer changes reset")

    def evaluate(self) -> list[Decision]:
        """Evaluate all rules now, and apply what they decide."""
        decisions = self.engine.tick(self.moment, self._clock(), look=True)
        self._do(decisions)
        return decisions

    def explain(self) -> list[Explanation]:
        """Explain every rule: the values of its condition, and what it would do."""
        return self.engine.explain(self.moment, self._clock())

    @property
    def moment(self) -> Moment:
        """The current input of the engine."""
        return Moment(self.history, self._look(), self._wall())

    # ---- applying decisions

    def _do(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            _log(decision)
        self._apply()
        for decision in decisions:
            if decision.one_shot is not None:
                self._start(decision.one_shot, decision.rule.name)

    def _apply(self) -> None:
        """Apply the engine's values; take back a change that cannot be applied."""
        wanted = self.engine.effective
        if wanted == self._in_force:
            return
        self._in_force = wanted
        try:
            self._put_in_force(wanted)
        except Exception as error:
            on_trial = self.engine.trial is not None
            taken_back = "the change on trial" if on_trial else "all kept and held changes"
            log.exception("A change could not be put in force", taken_back=taken_back)
            self._fail(f"It could not be put in force: {error!r}.")

    def _start(self, one_shot: OneShot, rule: str) -> None:
        """Start a one-shot change in the background, so that the next sample does not wait for it.

        Only one runs at a time.
        """
        if self._one_shot is not None and not self._one_shot.done():
            self._fail("The previous one-shot change has not ended.")
            return
        performing = self._perform_one(one_shot, rule, self.engine.trial)
        self._one_shot = asyncio.get_running_loop().create_task(performing)

    async def _perform_one(self, one_shot: OneShot, rule: str, trial: Trial | None) -> None:
        try:
            figures = await self._perform(one_shot)
        except Exception as error:
            log.exception("A one-shot change failed", rule=rule, deed=one_shot.name)
            self._fail(f"{one_shot.name} failed: {error}", trial)
        else:
            log.info("One-shot change made", rule=rule, deed=one_shot.name, **figures)

    def _fail(self, why: str, trial: Trial | None = None) -> None:
        self._do(self.engine.failed(why, self._clock(), self._wall(), trial))

    # ---- saving

    async def save(self) -> None:
        """Save what must survive a restart. A volume that cannot be written is logged once."""
        if self._saving is not None:  # a cancelled save goes on in its thread, with the same file
            await asyncio.wait([self._saving])
        self._saving = asyncio.get_running_loop().create_task(self._save())
        await asyncio.shield(self._saving)

    async def _save(self) -> None:
        now = self._clock()
        self._save_at = now + SAVE_SECONDS
        data = msgspec.msgpack.encode(self.engine.memory(now, self._wall()))
        try:
            await asyncio.to_thread(self._write, self._file, data)
        except OSError as error:
            if not self._saving_fails:
                log.warning("Optimizer state not saved", error=str(error))
            self._saving_fails = True
        else:
            self._saving_fails = False


def remembered(data_dir: Path) -> SavedState:
    """The state that an earlier process saved, as it was read. Blocks."""
    return state_file.load(data_dir / FILE, SavedState, MOST_FILE_BYTES) or SavedState()


def usable(
    saved: SavedState,
    document: Document,
    knobs: Knobs,
    vocabulary: Vocabulary,
    fits: Callable[[CacheConfig], bool],
) -> SavedState:
    """What of the saved state can be used with this document. What cannot is logged."""
    checked, dropped = saved_state.checked(
        saved, Effective(cache=document.cache), knobs, vocabulary, fits
    )
    if dropped:
        shown = [name[:MOST_SHOWN] for name in dropped[:MOST_SHOWN]]
        log.warning("Optimizer state dropped", what=shown, parts=len(dropped))
    return checked


def _log(decision: Decision) -> None:
    """Log a decision, with its fields as builtin types that both log formats can show."""
    rule = decision.rule
    fields = msgspec.to_builtins(decision.fields)
    title = _TITLES.get(decision.event) or _VERDICT_TITLES[fields["outcome"]]
    log.info(title, **{"rule": rule.name, "type": rule.config.type, **fields})


def _log_rules(before: tuple[Rule, ...], after: tuple[Rule, ...]) -> None:
    """Log each rule that was added, changed or removed."""
    old = {rule.name: rule.config for rule in before}
    for rule in after:
        config = rule.config
        if old.pop(config.name, None) == config:
            continue
        log.info(
            "Optimization rule added",
            rule_name=config.name,
            optimization_type=config.type,
            level=config.level,
        )
    for name in old:
        log.info("Optimization rule removed", rule_name=name)
