"""The checked-in dashboards and rule files, as Grafana and Prometheus read them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "dashboards"
BOARDS: dict[str, Any] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}
RECORDS_FILE = FOLDER / "cache-sidecar-records.yaml"
ALERTS_FILE = FOLDER / "cache-sidecar-alerts.yaml"
RUNBOOK = (FOLDER / "RUNBOOK.md").read_text()


@dataclass(frozen=True)
class Target:
    """One query of one panel; `legend` is empty if a table shows all labels."""

    board: str
    panel: str
    expr: str
    legend: str
    instant: bool

    def asked(self, variables: Mapping[str, str]) -> str:
        return replaced(self.expr, variables)


def replaced(text: str, variables: Mapping[str, str]) -> str:
    """A text with Grafana's variables replaced by values. Raises KeyError for an unknown one."""
    return re.sub(r"\$([a-z_]\w*)", lambda found: variables[found[1]], text)


def panels(board: str) -> list[Any]:
    """All panels except rows."""
    return [panel for panel in BOARDS[board]["panels"] if panel["type"] != "row"]


def targets() -> list[Target]:
    """The queries of all panels of all dashboards."""
    return [
        Target(
            board,
            panel["title"],
            target["expr"],
            target.get("legendFormat", ""),
            target.get("instant", False),
        )
        for board in BOARDS
        for panel in panels(board)
        for target in panel["targets"]
    ]


def rules(path: Path) -> list[Any]:
    """The rules of all groups of a file."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
