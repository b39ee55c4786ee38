"""What a document may name, as far as that is not the configuration's own business."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from sidecar.config.section import Section
from sidecar.config.values import Better, RuleConfig
from sidecar.model.option import Option


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """How a tier has to state a policy: whether L3 can use it, and with which options."""

    on_disk: bool
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionForm:
    """How a rule has to name an action: with which type, and which options below `with`."""

    rule_type: str
    options: type[Section]


@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """The names that are known, those of plugins included.

    Two are equal only if they are the same one, so that what was read by it can be kept.
    """

    policies: Mapping[str, PolicyForm]
    signals: Mapping[str, Better | None]
    """Each with its better direction; None where a rule has to say it."""
    actions: Mapping[str, ActionForm]
    compile_condition: Callable[[str, Collection[str] | None], object]
    """A condition, compiled, given the baselines and targets that there are
    (`target.cache.hit_ratio`); with None, any may be named. Raises ValueError, whose message is a
    sentence about what is wrong."""
    compile_rule: Callable[[RuleConfig, object, Section], object]
    """A rule, compiled, from its compiled condition and the options of its action."""

    @cached_property
    def disk_policies(self) -> list[str]:
        """Those that L3 accepts; L1 and L2 accept all."""
        return [name for name, form in self.policies.items() if form.on_disk]

    @cached_property
    def rule_types(self) -> list[str]:
        """The types that rules may have: those of the actions."""
        return list(dict.fromkeys(form.rule_type for form in self.actions.values()))

    @cached_property
    def policy_options(self) -> dict[str, tuple[Option, list[str]]]:
        """The options of all policies by name, each with the policies that have it."""
        found: dict[str, tuple[Option, list[str]]] = {}
        for policy, form in self.policies.items():
            for option in form.options:
                found.setdefault(option.name, (option, []))[1].append(policy)
        return found
