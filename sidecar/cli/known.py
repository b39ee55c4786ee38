"""Passes the catalogue that the program was started with to a command.

It is the object of click's context, `main(obj=catalogue)`, by default the sidecar's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import click

from sidecar.catalogue import CATALOGUE, Catalogue

P = ParamSpec("P")
R = TypeVar("R")


def catalogue_of(ctx: click.Context) -> Catalogue:
    """The catalogue of this call."""
    return ctx.obj if isinstance(ctx.obj, Catalogue) else CATALOGUE


def pass_catalogue(command: Callable[Concatenate[Catalogue, P], R]) -> Callable[P, R]:
    """Pass the catalogue as the first argument."""

    @wraps(command)
    def with_catalogue(*args: P.args, **options: P.kwargs) -> R:
        return command(catalogue_of(click.get_current_context()), *args, **options)

    return with_catalogue
