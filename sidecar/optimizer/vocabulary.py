"""The names that a document may use: of policies, signals and actions, and conditions over them."""

from __future__ import annotations

from collections.abc import Collection

from sidecar.config.vocabulary import ActionForm, Vocabulary
from sidecar.optimizer.actions.registry import ACTIONS
from sidecar.optimizer.conditions import compile_condition
from sidecar.optimizer.tokens import ConditionError
from sidecar.policies.registry import POLICIES
from sidecar.signals.table import SIGNALS


def vocabulary() -> Vocabulary:
    """What this sidecar knows."""
    forms = {name: ActionForm(it.rule_type, it.Options) for name, it in ACTIONS.items()}
    return Vocabulary(
        memory_policies=POLICIES,
        signals={signal.name: signal.better for signal in SIGNALS},
        actions=forms,
        check_condition=_check_condition,
    )


def _check_condition(text: str, references: Collection[str] | None) -> str | None:
    try:
        compile_condition(text, references=references)
    except ConditionError as error:
        return str(error)
    return None
