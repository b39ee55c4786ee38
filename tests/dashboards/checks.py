"""Checks that a panel's query shows data, on a Prometheus that has scraped a busy pod."""

from __future__ import annotations

import math
import re
from itertools import chain

from dashboards.mixin.frame import ALL
from tests.dashboards.boards import Target
from tests.dashboards.prometheus import Answer, Prometheus

LOOK_BACK_SECONDS = 20.0
VARIABLES = {
    "namespace": "shop|bank",
    "workload": ALL,
    "pod": "web-0",
    "__rate_interval": "10s",
    "__range": "10m",
}
"""The values that Grafana would use."""


def complaints(prometheus: Prometheus, target: Target) -> list[str]:
    """Empty if the query returns finite values with all labels in the series' names."""
    expr = target.asked(VARIABLES)
    answer = prometheus.query(expr, None if target.instant else LOOK_BACK_SECONDS)
    named = set(re.findall(r"{{(\w+)}}", target.legend))
    found = [] if shows(answer) else [f"no data: {expr}"]
    for labels, _ in answer.series:
        if missing := named - labels.keys():
            found.append(f"no label {missing}: {expr}")
    return found


def shows(answer: Answer) -> bool:
    """Whether there is anything to draw."""
    return any(math.isfinite(value) for value in chain(*(values for _, values in answer.series)))
