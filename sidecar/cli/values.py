"""Types of flags: addresses, sizes, durations, modes, names; and the variable of the address."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click

from sidecar.config.quantities import parse_duration, parse_size
from sidecar.origins.allowed import Allowed
from sidecar.warmers.reach import Reach

URL_VARIABLE = "CACHE_SIDECAR_URL"
TOKEN_FILE_VARIABLE = "CACHE_SIDECAR_TOKEN_FILE"  # noqa: S105  (its name)


class AnyPath(click.ParamType[Path]):
    """A path, be it there or not. `click.Path` would refuse one that cannot be read; the sidecar
    runs without such a volume.
    """

    name = "path"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        if not str(value):  # for Path, that is the current folder
            self.fail("the path is empty; write one, or leave the option out", param, ctx)
        return Path(str(value))


class Bind(click.ParamType[tuple[str, int]]):
    """HOST:PORT, with an IPv6 address in brackets."""

    name = "host:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, colon, port = str(value).rpartition(":")
        if not colon or not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
            self.fail(f"{value!r} is not HOST:PORT; write for example 127.0.0.1:7070", param, ctx)
        return host.strip("[]"), int(port)


class BindOrOff(click.ParamType["tuple[str, int] | None"]):
    """HOST:PORT, or `off`."""

    name = "host:port|off"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int] | None:
        return None if value == "off" else Bind().convert(value, param, ctx)


class Size(click.ParamType[int]):
    """Bytes: 10MiB, 2Gi, 1048576."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Duration(click.ParamType[float]):
    """Seconds: 30s, 1m30s, 500ms."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Mode(click.ParamType[int]):
    """Permissions in octal: 0660, 660."""

    name = "mode"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if not re.fullmatch("0?[0-7]{3}", str(value)):
            self.fail(f"{value!r} is not a mode in octal; write for example 0660", param, ctx)
        return int(str(value), 8)


class UrlPrefix(click.ParamType[str]):
    """A URL without a query: https://export.shop.svc/products/."""

    name = "url"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        try:
            Allowed([str(value)])
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class ConfigMapName(click.ParamType[tuple[str | None, str]]):
    """[NAMESPACE/]NAME, both valid in Kubernetes."""

    name = "[namespace/]name"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str | None, str]:
        match = _CONFIGMAP.fullmatch(str(value))
        if match is None:
            self.fail(
                f"{value!r} is not [NAMESPACE/]NAME; write for example shop/cache-config",
                param,
                ctx,
            )
        return match[1], match[2]


def reaches(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the flags that tell what the configuration may name, which the command is given as
    `reach`.
    """

    @wraps(command)
    def reaching(
        *args: object, origin_allow: tuple[str, ...], warm_dir: Path | None, **options: object
    ) -> None:
        command(*args, reach=Reach(origin_allow, warm_dir), **options)

    allow = click.option(
        "--origin-allow",
        type=UrlPrefix(),
        multiple=True,
        help="Prefix of the URLs that the configuration may name; can be repeated. In the "
        "environment, prefixes are separated by spaces.  [default: all loopback addresses]",
    )
    folder = click.option(
        "--warm-dir",
        type=AnyPath(),
        help="Directory with the files that warmers may read.  [default: none]",
    )
    return allow(folder(reaching))


_LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_CONFIGMAP = re.compile(rf"(?:({_LABEL})/)?((?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*)")
