"""The commands of `cache-sidecar`. Each is imported when it is called: `serve` stays small."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

import click

_COMMANDS = ("serve", "check", "stats", "replay", "simulate")


class _Commands(click.Group):
    """Finds command NAME as NAME in module `sidecar.cli.NAME`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"sidecar.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101
        return command


@click.group(cls=_Commands)
@click.version_option(version("cache-sidecar"), prog_name="cache-sidecar")
def main() -> None:
    """A three-tier cache that runs beside an application in its pod."""
