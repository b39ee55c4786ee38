"""MULTI, EXEC, DISCARD, WATCH, UNWATCH."""

from __future__ import annotations

from sidecar.api.errors import RequestError
from sidecar.model.errors import WriteError
from sidecar.resp.call import Call
from sidecar.resp.command import ALL_KEYS, Command, Reply
from sidecar.resp.databases import selected
from sidecar.resp.errors import OUT_OF_MEMORY, RespError, of_request, of_write_error
from sidecar.resp.replies import OK, array, error, null_array
from sidecar.resp.transaction import Transaction, Watching


def multi(call: Call) -> Reply:
    client = call.client
    if client.transaction is not None:
        raise RespError("ERR MULTI calls can not be nested")
    client.transaction = Transaction(call.service.admission.budget)
    client.note_state()
    return OK


def discard(call: Call) -> Reply:
    if call.client.transaction is None:
        raise RespError("ERR DISCARD without MULTI")
    call.client.end_transaction()
    return OK


async def watch(call: Call) -> bytes:
    client = call.client
    if client.transaction is not None:
        raise RespError("ERR WATCH inside MULTI is not allowed")
    if client.watch is None:
        client.watch = Watching(call.service.store, call.service.admission.budget)
    keys = call.full_keys()
    if not client.watch.add(keys):
        raise RespError(OUT_OF_MEMORY)
    await client.watch.read(keys, client.clock)
    return OK


def unwatch(call: Call) -> Reply:
    call.client.unwatch()
    return OK


def exec_(call: Call) -> Reply:
    """Run what was queued. All that it reads has been looked up, so nothing comes in between."""
    client = call.client
    transaction = client.transaction
    if transaction is None:
        raise RespError("ERR EXEC without MULTI")
    has_changed = client.watch is not None and client.watch.has_changed(client.clock())
    commands, is_spoilt = transaction.commands, transaction.is_spoilt
    client.end_transaction()
    if is_spoilt:
        raise RespError("EXECABORT Transaction discarded because of previous errors.")
    if has_changed:
        return null_array(client.protocol)
    call.versions.keep()
    with call.versions.together():
        replies = [_run(call, *queued) for queued in commands]
    return lambda: array([each if isinstance(each, bytes) else each() for each in replies])


def _run(call: Call, command: Command, arguments: list[bytes]) -> Reply:
    assert command.run is not None  # noqa: S101  (others are not queued)
    try:
        queued = call.of(command, arguments)
        if call.client.tracking is not None:
            call.service.tracker.note(queued)
        return command.run(queued)
    except RespError as wrong:
        return error(wrong.text)
    except RequestError as wrong:
        return error(of_request(wrong).text)
    except WriteError as wrong:
        return error(of_write_error(wrong))


def exec_keys(call: Call) -> list[bytes]:
    """All keys that the queued commands read, whichever databases they select meanwhile."""
    client = call.client
    transaction = client.transaction
    if transaction is None or transaction.is_spoilt:
        return []
    keys: list[bytes] = []
    prefix = client.prefix
    try:
        for command, arguments in transaction.commands:
            queued = call.of(command, arguments)
            if command.name == "select":
                client.prefix = _selected(arguments, client.prefix)
            elif command.reads or (command.depends is not None and command.depends(arguments)):
                keys += _keys(queued)
    finally:
        client.prefix = prefix
    return keys


def _keys(call: Call) -> list[bytes]:
    """None if the command will fail anyway."""
    try:
        return call.full_keys() if call.command.looked_up is None else call.command.looked_up(call)
    except RespError:
        return []


def _selected(arguments: list[bytes], prefix: bytes) -> bytes:
    try:
        return selected(arguments[1]) + b"/"
    except RespError:
        return prefix


IMMEDIATE = frozenset({"immediate", "noscript", "loading", "stale", "fast"})

COMMANDS = (
    Command("multi", 1, multi, flags=IMMEDIATE),
    Command("exec", 1, exec_, reads=True, writes=True, looked_up=exec_keys, flags=IMMEDIATE),
    Command("discard", 1, discard, flags=IMMEDIATE),
    Command("watch", -2, keys=ALL_KEYS, later=watch, flags=IMMEDIATE),
    Command("unwatch", 1, unwatch, flags=frozenset({"noscript", "loading", "stale", "fast"})),
)
