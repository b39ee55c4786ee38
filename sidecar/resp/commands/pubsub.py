"""SUBSCRIBE and its kin, PUBLISH, PUBSUB."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sidecar.resp.call import Call
from sidecar.resp.command import Command, Reply, container
from sidecar.resp.errors import RespError
from sidecar.resp.patterns import check_together
from sidecar.resp.replies import array, bulk, error, integer, null, push

Change = Callable[[bytes], None]


def subscribe(call: Call) -> Reply:
    channels = call.service.channels
    if call.command.name == "subscribe":
        return _change(call, lambda name: channels.subscribe(call.client, name))
    check_together(call.arguments[1:])
    return _change(call, lambda name: channels.subscribe_pattern(call.client, name))


def unsubscribe(call: Call) -> Reply:
    """From those named, or from all."""
    client, subscribed = call.client, call.client.subscribed
    channels = call.service.channels
    change: Change
    if call.command.name == "unsubscribe":
        held: Iterable[bytes] = () if subscribed is None else subscribed.channels
        change = lambda name: channels.unsubscribe(client, name)  # noqa: E731
    else:
        held = () if subscribed is None else subscribed.patterns
        change = lambda name: channels.unsubscribe_pattern(client, name)  # noqa: E731
    if len(call.arguments) == 1:
        names = list(held)
        if not names:
            return _confirmed(call, [_confirmation(call, null(call.protocol))])
        call.arguments = [call.arguments[0], *names]
    return _change(call, change)


def _change(call: Call, change: Change) -> Reply:
    """One message for each name. An error ends it; what came before is in force."""
    told: list[bytes] = []
    for name in call.arguments[1:]:
        try:
            change(name)
        except RespError as wrong:
            told.append(error(wrong.text))
            break
        told.append(_confirmation(call, bulk(name)))
    return _confirmed(call, told)


def _confirmation(call: Call, name: bytes) -> bytes:
    subscribed = call.client.subscribed
    count = 0 if subscribed is None else len(subscribed)
    return push(call.protocol, [bulk(call.command.name.encode()), name, integer(count)])


def _confirmed(call: Call, told: list[bytes]) -> Reply:
    """They are messages rather than replies: CLIENT REPLY does not switch them off."""
    if call.client.is_silent:
        call.client.push(b"".join(told))
        return b""
    return b"".join(told)


def publish(call: Call) -> Reply:
    channels = call.service.channels
    receivers = channels.publish(call.arguments[1], call.arguments[2])
    if channels.is_much(receivers):
        call.client.rest()
    return integer(receivers)


def names(call: Call) -> Reply:
    if len(call.arguments) > 3:
        raise RespError(
            "ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP."
        )
    pattern = call.arguments[2] if len(call.arguments) == 3 else None
    return array([bulk(name) for name in call.service.channels.names(pattern)])


def numsub(call: Call) -> Reply:
    channels = call.service.channels
    return array(
        [
            part
            for name in call.arguments[2:]
            for part in (bulk(name), integer(channels.subscribers(name)))
        ]
    )


def numpat(call: Call) -> Reply:
    return integer(call.service.channels.patterns)


SUBSCRIBES = frozenset({"pubsub", "noscript", "loading", "stale"})
TELLS = frozenset({"pubsub", "loading", "stale"})

COMMANDS = (
    Command("subscribe", -2, subscribe, flags=SUBSCRIBES),
    Command("unsubscribe", -1, unsubscribe, flags=SUBSCRIBES),
    Command("psubscribe", -2, subscribe, flags=SUBSCRIBES),
    Command("punsubscribe", -1, unsubscribe, flags=SUBSCRIBES),
    Command("publish", 3, publish, flags=TELLS | {"fast"}),
    container(
        "pubsub",
        Command("pubsub|channels", -2, names, flags=TELLS),
        Command("pubsub|numsub", -2, numsub, flags=TELLS),
        Command("pubsub|numpat", 2, numpat, flags=TELLS),
    ),
)
