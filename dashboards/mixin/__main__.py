"""`python -m dashboards.mixin [FOLDER]`: write all files, beside this package unless told where."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dashboards.mixin.alerts import alerts
from dashboards.mixin.frame import text_of
from dashboards.mixin.optimizer import optimizer
from dashboards.mixin.overview import overview
from dashboards.mixin.records import records
from dashboards.mixin.tiers import tiers

HEADER = "# Made by `make dashboards` from dashboards/mixin; edit that.\n"


def files() -> Mapping[str, str]:
    """The text of every file, by its name."""
    boards = {"overview": overview, "tiers": tiers, "optimizer": optimizer}
    return {
        **{f"cache-sidecar-{name}.json": text_of(make()) for name, make in boards.items()},
        "cache-sidecar-records.yaml": _yaml(records()),
        "cache-sidecar-alerts.yaml": _yaml(alerts()),
    }


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines as they are read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _yaml(document: Mapping[str, Any]) -> str:
    return HEADER + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000)


def main(folder: Path) -> None:
    for name, text in files().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
