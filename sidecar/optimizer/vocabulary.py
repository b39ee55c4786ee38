"""The names that a document may use: of policies, signals and actions, and conditions over them."""

from __future__ import annotations

from functools import partial

from sidecar.config.vocabulary import ActionForm, Vocabulary
from sidecar.optimizer.actions.registry import ACTIONS
from sidecar.optimizer.conditions import compile_condition
from sidecar.optimizer.rules import compile_rule
from sidecar.policies.registry import POLICIES
from sidecar.signals.table import SIGNALS


def vocabulary() -> Vocabulary:
    """What this sidecar knows."""
    forms = {name: ActionForm(it.rule_type, it.Options) for name, it in ACTIONS.items()}
    return Vocabulary(
        memory_policies=POLICIES,
        signals={signal.name: signal.better for signal in SIGNALS},
        actions=forms,
        compile_condition=compile_condition,
        compile_rule=partial(compile_rule, ACTIONS),
    )
