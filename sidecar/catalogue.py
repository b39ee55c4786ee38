"""What the sidecar knows by name: one frozen value, which is handed down by constructor.

To add a policy, an action, a signal or a source of warmers, write its file and add one line here.
`app` and the commands use CATALOGUE unless they are given another; a plugin or a test makes one
with `dataclasses.replace`. Only they and `testing` import this module: all other rooms are given
the parts they need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from sidecar.config.knobs import KNOBS, Knobs
from sidecar.config.vocabulary import ActionForm, PolicyForm, SourceForm, Vocabulary
from sidecar.model.named import by_name
from sidecar.optimizer.actions.collect import Collect
from sidecar.optimizer.actions.compact_l3 import CompactL3
from sidecar.optimizer.actions.freeze import Freeze
from sidecar.optimizer.actions.grow_tier import GrowTier
from sidecar.optimizer.actions.limit_in_flight import LimitInFlight
from sidecar.optimizer.actions.pace_background import PaceBackground
from sidecar.optimizer.actions.pace_l3_writes import PaceL3Writes
from sidecar.optimizer.actions.protocol import Action
from sidecar.optimizer.actions.release_memory import ReleaseMemory
from sidecar.optimizer.actions.set_compression import SetCompression
from sidecar.optimizer.actions.set_gc_thresholds import SetGcThresholds
from sidecar.optimizer.actions.set_keepalive import SetKeepalive
from sidecar.optimizer.actions.set_l3_admission import SetL3Admission
from sidecar.optimizer.actions.set_promote_after import SetPromoteAfter
from sidecar.optimizer.actions.shrink_tier import ShrinkTier
from sidecar.optimizer.actions.stretch_ttl import StretchTtl
from sidecar.optimizer.actions.switch_policy import SwitchPolicy
from sidecar.optimizer.actions.warm import Warm
from sidecar.optimizer.conditions import Compiler
from sidecar.optimizer.functions import FUNCTIONS, Function
from sidecar.optimizer.one_shots import ONE_SHOTS
from sidecar.optimizer.rules import compile_rule
from sidecar.origins.checking import find_fault
from sidecar.origins.own import OwnListeners
from sidecar.policies import fifo, lfu, lru, random, s3fifo, sieve, ttl, w_tinylfu
from sidecar.policies.registry import Policies
from sidecar.signals import cache, cpu, garbage, http, io, memory, network, resp
from sidecar.signals.signal import Signals
from sidecar.warmers.reach import Reach
from sidecar.warmers.sources.file import FileSource
from sidecar.warmers.sources.protocol import Source
from sidecar.warmers.sources.url import UrlSource


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    """Everything that a sidecar knows by name, each kind in the order of its documentation."""

    policies: Policies
    actions: Mapping[str, Action]
    signals: Signals
    functions: Mapping[str, Function]
    """The functions that conditions may apply to a window of a signal."""
    knobs: Knobs
    sources: Mapping[str, Source]
    """Where warmers read entries."""
    one_shots: Mapping[str, str]
    """The changes that actions can make besides turning a knob: name and description."""

    @cached_property
    def conditions(self) -> Compiler:
        """Compiles conditions over these signals and functions."""
        return Compiler(self.signals, self.functions)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What a configuration document may name, where no flag allows warmers more."""
        return self._vocabulary(Reach())

    def vocabulary_within(self, reach: Reach) -> Vocabulary:
        """What it may name where warmers may reach this."""
        return self.vocabulary if reach == Reach() else self._vocabulary(reach)

    def _vocabulary(self, reach: Reach) -> Vocabulary:
        policies, actions = self.policies, self.actions
        return Vocabulary(
            policies={
                name: PolicyForm(on_disk=spec.score is not None, options=spec.options)
                for name, spec in policies.items()
            },
            signals={name: signal.better for name, signal in self.signals.items()},
            actions={name: ActionForm(it.rule_type, it.Options) for name, it in actions.items()},
            sources={
                name: SourceForm(it.Options, partial(it.find_fault, reach=reach))
                for name, it in self.sources.items()
            },
            compile_condition=self.conditions.compile,
            compile_rule=partial(compile_rule, actions),
            origin_fault=partial(find_fault, allowed=reach.allowed, own=OwnListeners()),
        )


_ACTIONS: tuple[Action, ...] = (
    ShrinkTier(),
    ReleaseMemory(),
    SetCompression(),
    PaceBackground(),
    SetL3Admission(),
    PaceL3Writes(),
    CompactL3(),
    LimitInFlight(),
    SetKeepalive(),
    GrowTier(),
    SwitchPolicy(),
    SetPromoteAfter(),
    Warm(),
    StretchTtl(),
    Collect(),
    SetGcThresholds(),
    Freeze(),
)

_SOURCES: tuple[Source, ...] = (UrlSource(), FileSource())

CATALOGUE = Catalogue(
    policies=Policies(
        (
            lru.SPEC,
            lfu.SPEC,
            fifo.SPEC,
            ttl.SPEC,
            random.SPEC,
            sieve.SPEC,
            s3fifo.SPEC,
            w_tinylfu.SPEC,
        )
    ),
    actions=by_name("actions", _ACTIONS),
    signals=by_name(
        "signals",
        (
            *cache.SIGNALS,
            *http.SIGNALS,
            *resp.SIGNALS,
            *memory.SIGNALS,
            *cpu.SIGNALS,
            *io.SIGNALS,
            *network.SIGNALS,
            *garbage.SIGNALS,
        ),
    ),
    functions=by_name("functions", FUNCTIONS),
    knobs=by_name("knobs", KNOBS),
    sources=by_name("sources", _SOURCES),
    one_shots=ONE_SHOTS,
)
"""The built-in catalogue."""
