"""The commands of `cache-sidecar`, one module each.

A command's module is imported when the command is called, so that `serve` stays small. Commands
that query a running sidecar use only its HTTP API. No other package imports this one.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

_COMMANDS = ("serve", "check", "stats", "top", "optimizer", "warm", "replay", "simulate")


class _Commands(click.Group):
    """Finds command NAME as NAME in module `sidecar.cli.NAME`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if os.getpid() == 1:
            _end_on_sigterm()
        if cmd_name == "serve":
            # It asks to read the folder, which is still to come; without a handler, it would kill.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        command = getattr(import_module(f"sidecar.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _in_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _in_one_line():
            return super().invoke(ctx)


def _end_on_sigterm() -> None:
    """Exit on SIGTERM while a command is imported. The kernel does not deliver a signal without a
    handler to a container's first process, so a pod that is deleted during the import would
    otherwise wait until its grace period ends.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Print a usage error without the usage, which --help prints."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        error.ctx = None
        raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("cache-sidecar"), prog_name="cache-sidecar")
def main() -> None:
    """A three-tier cache that runs as a sidecar in an application's pod.

    The exit status is 0 on success, 1 on failure, and 2 on a usage error. Errors are printed to
    stderr, on one line.
    """
