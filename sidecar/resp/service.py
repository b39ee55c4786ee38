"""What all clients of the Redis protocol share."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from typing import Any

from sidecar.model.clock import Clock
from sidecar.resp.channels import Channels
from sidecar.resp.command import Command
from sidecar.resp.counts import Counts
from sidecar.resp.deliveries import Deliveries
from sidecar.resp.errors import MOST_SHOWN, RespError, shown
from sidecar.resp.loaded import Loaded
from sidecar.resp.requests import WholeRequests
from sidecar.resp.saves import Saves
from sidecar.resp.session import Session
from sidecar.resp.tracking import Tracker
from sidecar.resp.waiting import Waiting
from sidecar.serving.admission import Admission
from sidecar.serving.token import Token
from sidecar.store.store import Store


class Service:
    """The store, the commands, and the clients that are connected."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        admission: Admission,
        commands: Mapping[str, Command],
        token: Token | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.admission = admission
        self.commands = commands
        self.token = token
        """What AUTH has to be sent; None if nobody has to."""
        self.requests = WholeRequests()
        self.waiting = Waiting()
        self.clients: dict[int, Session] = {}
        self.deliveries = Deliveries()
        self.channels = Channels(admission.budget, self.deliveries)
        self.tracker = Tracker(store, self.clients, admission.budget, self.deliveries)
        self.started_at = clock()
        self.run_id = secrets.token_hex(20)
        self.counts = Counts(store.stats, admission.stats, clock, lambda: store.config.tiers)
        self.saves = Saves(store, clock)
        self.scripts: Loaded[Any] = Loaded()
        self._ids = itertools.count(1)
        self._by_name = {name.encode(): command for name, command in commands.items()}

    def next_id(self) -> int:
        return next(self._ids)

    def joined(self, client: Session) -> None:
        self.counts.connections += 1
        self.clients[client.id] = client

    def forget(self, client: Session) -> None:
        self.clients.pop(client.id, None)
        self.channels.leave(client)
        self.tracker.leave(client)

    def find(self, arguments: list[bytes]) -> Command:
        """The command, or the part of it, that the arguments name. Raises RespError."""
        name = arguments[0]
        command = self._by_name.get(name) or self._by_name.get(name.lower())
        if command is None:
            raise RespError(_unknown(arguments))
        if command.parts and len(arguments) > 1:
            part = command.parts.get(arguments[1].lower().decode(errors="replace"))
            if part is None:
                raise RespError(
                    f"ERR unknown subcommand '{shown(arguments[1])}'. "
                    f"Try {command.name.upper()} HELP."
                )
            return part
        return command


def _unknown(arguments: list[bytes]) -> str:
    told = ""
    for argument in arguments[1:]:
        if len(told) >= MOST_SHOWN:
            break
        told += f"'{shown(argument, MOST_SHOWN - len(told))}' "
    return f"ERR unknown command '{shown(arguments[0])}', with args beginning with: {told}"
