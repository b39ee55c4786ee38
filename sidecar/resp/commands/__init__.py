"""The commands, by what they are of."""

from __future__ import annotations

from sidecar.resp.command import Command
from sidecar.resp.commands import (
    cache,
    clients,
    connection,
    described,
    keys,
    keyspace,
    pubsub,
    scripts,
    server,
    strings,
    transactions,
)

ALL: dict[str, Command] = {
    command.name: command
    for module in (
        strings,
        keys,
        keyspace,
        cache,
        transactions,
        scripts,
        connection,
        clients,
        pubsub,
        server,
        described,
    )
    for command in module.COMMANDS
}
