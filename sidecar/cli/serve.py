"""`cache-sidecar serve`: run the sidecar."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import uvloop

from sidecar.telemetry import logs  # before all that imports structlog, and rich through it

# isort: split
from sidecar.app.running import run
from sidecar.app.settings import Settings, StartError
from sidecar.catalogue import Catalogue
from sidecar.cli.known import pass_catalogue
from sidecar.cli.values import (
    URL_VARIABLE,
    AnyPath,
    Bind,
    BindOrOff,
    ConfigMapName,
    Duration,
    Mode,
    Size,
    reaches,
)
from sidecar.config.names import name_meant
from sidecar.kube.settings import EventChoice, KubeSettings
from sidecar.warmers.reach import Reach

_PREFIX = "CACHE_SIDECAR"
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)|_PORT(_|$)")
"""Kubernetes sets such variables in every pod for a Service that is called cache-sidecar."""
_OUR_BEGIN = re.compile(r"cache[^a-z]?sidecar", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"[^A-Z0-9]+")
_GREETING = """\
cache-sidecar listens on http://{host}:{port}. Try it from another terminal:

    curl -X PUT http://{host}:{port}/v1/cache/demo/greeting -d hello
    curl -i     http://{host}:{port}/v1/cache/demo/greeting
    curl        http://{host}:{port}/v1/stats

Metrics are at http://{ops_host}:{ops_port}/metrics.
Press Ctrl-C to stop it. Its data is kept in {data_dir}.
"""


@click.command(context_settings={"auto_envvar_prefix": _PREFIX})
@click.option(
    "--data-bind",
    type=Bind(),
    default="127.0.0.1:7070",
    show_default=True,
    help="Address of the data API. Use a loopback address: there is no TLS.",
)
@click.option(
    "--data-socket",
    type=AnyPath(),
    help="Unix socket on which to serve the data API as well.",
)
@click.option(
    "--data-socket-mode",
    type=Mode(),
    default="0660",
    show_default=True,
    help="Permissions of the Unix socket. To connect, a process needs to write to it.",
)
@click.option(
    "--resp-bind",
    type=BindOrOff(),
    default="127.0.0.1:6379",
    show_default=True,
    help="Address of the Redis protocol, or off. If the default is taken, it is left out.",
)
@click.option(
    "--resp-socket",
    type=AnyPath(),
    help="Unix socket on which to serve the Redis protocol as well.",
)
@click.option(
    "--token-file",
    type=AnyPath(),
    help="File with the token that clients of both APIs have to send, read again when it changes.",
)
@click.option(
    "--ops-bind",
    type=Bind(),
    default="0.0.0.0:7071",
    show_default=True,
    help="Address of /metrics, /livez and /readyz.",
)
@click.option(
    "--data-dir",
    type=AnyPath(),
    default="/var/lib/cache-sidecar",
    show_default=True,
    help="Directory of L3. It must not be shared with another sidecar.",
)
@click.option(
    "--data-limit",
    type=Size(),
    help="Most bytes of the volume that L3 may use.  [default: no limit]",
)
@click.option(
    "--linger",
    type=Duration(),
    default="0s",
    show_default=True,
    help="How long to continue to serve after SIGTERM.",
)
@click.option(
    "--config",
    type=AnyPath(),
    help="Directory with cache.yaml, reloaded when it changes.  [default: built-in defaults]",
)
@click.option(
    "--configmap",
    type=ConfigMapName(),
    help="ConfigMap to watch through the Kubernetes API. In a pod the namespace is optional.",
)
@click.option("--pod-name", help="Name of this pod, for Events.")
@click.option("--pod-namespace", help="Namespace of this pod.  [default: its service account's]")
@click.option("--pod-uid", help="UID of this pod, for Events.")
@click.option(
    "--events",
    type=click.Choice(["none", "problems", "all"]),
    default="problems",
    show_default=True,
    help="Which Events to create for the pod. Requires --configmap.",
)
@reaches
@click.option(
    "--log-format",
    type=click.Choice(["tree", "json"]),
    default="tree",
    show_default=True,
    help="Log format: tree for people, json for machines.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Lowest level that is logged.",
)
@click.option("--greet", is_flag=True, hidden=True)
@pass_catalogue
def serve(
    catalogue: Catalogue,
    /,
    *,
    data_bind: tuple[str, int],
    data_socket: Path | None,
    data_socket_mode: int,
    resp_bind: tuple[str, int] | None,
    resp_socket: Path | None,
    token_file: Path | None,
    ops_bind: tuple[str, int],
    data_dir: Path,
    data_limit: int | None,
    linger: float,
    config: Path | None,
    configmap: tuple[str | None, str] | None,
    pod_name: str | None,
    pod_namespace: str | None,
    pod_uid: str | None,
    events: EventChoice,
    reach: Reach,
    log_format: logs.Format,
    log_level: logs.Level,
    greet: bool,
) -> None:
    """Run the sidecar until SIGTERM or Ctrl-C.

    Options can also be set in the environment, for example as CACHE_SIDECAR_DATA_BIND.
    """
    _refuse_misspelt_variables()
    settings = Settings(
        data_bind=data_bind,
        data_socket=data_socket,
        data_socket_mode=data_socket_mode,
        resp_bind=resp_bind,
        resp_bind_is_stated=_is_stated("resp_bind"),
        resp_socket=resp_socket,
        token_file=token_file,
        ops_bind=ops_bind,
        data_dir=data_dir,
        data_limit=data_limit,
        linger_seconds=linger,
        config=config,
        kube=configmap
        and KubeSettings(
            namespace=configmap[0],
            name=configmap[1],
            pod_name=pod_name,
            pod_namespace=pod_namespace,
            pod_uid=pod_uid,
            events=events,
        ),
        reach=reach,
    )

    def on_started() -> None:
        if greet:
            click.echo(
                _GREETING.format(
                    host=data_bind[0],
                    port=data_bind[1],
                    ops_host="127.0.0.1" if ops_bind[0] == "0.0.0.0" else ops_bind[0],  # noqa: S104
                    ops_port=ops_bind[1],
                    data_dir=data_dir,
                )
            )

    handle = logs.configure(log_format, log_level)
    try:
        uvloop.run(run(settings, on_started, catalogue))
    except StartError as error:
        raise click.ClickException(str(error)) from None
    finally:
        handle.close()


def _is_stated(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def _refuse_misspelt_variables() -> None:
    """Raises UsageError for a variable that was meant to set an option, and would set none."""
    prefix = f"{_PREFIX}_"
    known = {str(option.name).upper() for option in serve.params}
    known.add(URL_VARIABLE.removeprefix(prefix))
    ours = {prefix + name for name in known}
    for name in sorted(os.environ):
        begin = _OUR_BEGIN.match(name)
        if begin is None or name in ours or _SERVICE_LINK.search(name):
            continue
        rest = _BETWEEN_WORDS.sub("_", name[begin.end() :].upper()).strip("_")
        if meant := name_meant(rest, known):
            raise click.UsageError(f"There is no variable {name}; did you mean {prefix}{meant}?")
