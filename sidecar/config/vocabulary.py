"""What a document may name, as far as that is not the configuration's own business."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sidecar.config.schema import Section
from sidecar.config.values import Better, RuleConfig, RuleType


@dataclass(frozen=True, slots=True)
class ActionForm:
    """How a rule has to name an action: with which type, and which options below `with`."""

    rule_type: RuleType
    options: type[Section]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vocabulary:
    """The names that are known, plugins included. Whoever asks for a document has them.

    Two are alike only if they are the same one, so that what was read by it can be kept.
    """

    memory_policies: Collection[str]
    """The policies that L1 and L2 accept."""
    signals: Mapping[str, Better | None]
    """Each with its better direction; None where a rule has to say it."""
    actions: Mapping[str, ActionForm]
    compile_condition: Callable[[str, Collection[str] | None], object]
    """A condition, compiled, given the baselines and targets that there are
    (`target.cache.hit_ratio`); with None, any may be named. Raises ValueError, whose message is a
    sentence about what is wrong."""
    compile_rule: Callable[[RuleConfig, object, Section], object]
    """A rule, compiled, from its compiled condition and the options of its action."""
