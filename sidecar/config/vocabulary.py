"""The names that a document may use, and that other packages define."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from sidecar.config.origins import OriginConfig
from sidecar.config.section import Section
from sidecar.config.values import Better, RuleConfig
from sidecar.model.option import Option


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """How a tier uses a policy: whether L3 supports it, and its options."""

    on_disk: bool
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionForm:
    """How a rule uses an action: the type of the rule, and the options below `with`."""

    rule_type: str
    options: type[Section]


@dataclass(frozen=True, slots=True)
class SourceForm:
    """How a warmer uses a kind of source: the keys below `source`, and what they may name."""

    options: type[Section]
    find_fault: Callable[[Section], tuple[str, str] | None]
    """The key of valid options that this sidecar does not allow, and a sentence that says what to
    do; None if it allows all."""


class CompiledCondition(Protocol):
    """What is asked of a condition here."""

    @property
    def sorted_windows(self) -> Collection[tuple[str, float]]:
        """The windows whose values are kept sorted: the signal and the length in seconds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """The known names, including those of plugins.

    Vocabularies are compared by identity, so that results that depend on one can be cached.
    """

    policies: Mapping[str, PolicyForm]
    signals: Mapping[str, Better | None]
    """Signals with their better direction; None if rules must state it."""
    actions: Mapping[str, ActionForm]
    sources: Mapping[str, SourceForm]
    """The kinds of sources of warmers. Each has a key of its own name."""
    compile_condition: Callable[[str, Collection[str] | None], CompiledCondition]
    """Compiles a condition, given the baselines and targets that exist (`target.cache.hit_ratio`);
    None allows those of every signal. Raises ValueError with a sentence that names the error."""
    compile_rule: Callable[[RuleConfig, object, Section], object]
    """Compiles a rule from its compiled condition and the options of its action."""
    origin_fault: Callable[[OriginConfig], tuple[str, str] | None] | None = None
    """The field of an origin that is wrong or not allowed, and a sentence that says why; None where
    nothing is known of the flags of the sidecar."""

    @cached_property
    def disk_policies(self) -> list[str]:
        """The policies that L3 supports; L1 and L2 support all."""
        return [name for name, form in self.policies.items() if form.on_disk]

    @cached_property
    def rule_types(self) -> list[str]:
        """The valid types of rules: those of the actions."""
        return list(dict.fromkeys(form.rule_type for form in self.actions.values()))

    @cached_property
    def policy_options(self) -> dict[str, tuple[Option, list[str]]]:
        """The options of all policies by name, each with the policies that have it."""
        found: dict[str, tuple[Option, list[str]]] = {}
        for policy, form in self.policies.items():
            for option in form.options:
                found.setdefault(option.name, (option, []))[1].append(policy)
        return found
