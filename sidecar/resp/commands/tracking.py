"""CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: client-side caching."""

from __future__ import annotations

from itertools import chain

from sidecar.model.entry import MAX_KEY_BYTES
from sidecar.resp.call import Call
from sidecar.resp.command import Command, Reply
from sidecar.resp.errors import RespError
from sidecar.resp.replies import OK, array, bulk, integer, map_of, set_of
from sidecar.resp.session import Tracking

OTHER_MODE = (
    "before disabling tracking for this client, and then re-enabling it with a different mode."
)


def tracking(call: Call) -> Reply:
    """Options are checked even where tracking is switched off, as in Redis."""
    client = call.client
    wanted = _wanted(call)
    match call.word(2):
        case b"on":
            _check(wanted, client.tracking)
            call.service.tracker.start(client, wanted)
        case b"off":
            call.service.tracker.stop(client)
        case _:
            call.wrong_syntax()
    return OK


def _wanted(call: Call) -> Tracking:
    """Raises RespError."""
    wanted, prefixes = Tracking(), list[bytes]()
    index, last = 3, len(call.arguments) - 1
    while index <= last:
        match call.word(index):
            case b"redirect" if index < last:
                index += 1
                wanted.redirect = _redirected(call, index, wanted.redirect)
            case b"bcast":
                wanted.is_broadcast = True
            case b"optin":
                wanted.opts_in = True
            case b"optout":
                wanted.opts_out = True
            case b"noloop":
                wanted.skips_own = True
            case b"prefix" if index < last:
                index += 1
                prefixes.append(call.arguments[index])
            case _:
                call.wrong_syntax()
        index += 1
    wanted.prefixes = prefixes
    return wanted


def _redirected(call: Call, index: int, before: int) -> int:
    """The id of the client that is told instead. Raises RespError."""
    if before:
        raise RespError("ERR A client can only redirect to a single other client")
    redirect = call.integer(index)
    if redirect not in call.service.clients:
        raise RespError("ERR The client ID you want redirect to does not exist")
    return redirect


def _check(wanted: Tracking, current: Tracking | None) -> None:
    """Whether the options fit each other, and those in force. Raises RespError."""
    if wanted.prefixes and not wanted.is_broadcast:
        raise RespError("ERR PREFIX option requires BCAST mode to be enabled")
    if current is not None and current.is_broadcast is not wanted.is_broadcast:
        raise RespError(f"ERR You can't switch BCAST mode on/off {OTHER_MODE}")
    if wanted.is_broadcast and (wanted.opts_in or wanted.opts_out):
        raise RespError("ERR OPTIN and OPTOUT are not compatible with BCAST")
    if wanted.opts_in and wanted.opts_out:
        raise RespError("ERR You can't specify both OPTIN mode and OPTOUT mode")
    if current is not None and (
        (wanted.opts_in and current.opts_out) or (wanted.opts_out and current.opts_in)
    ):
        raise RespError(f"ERR You can't switch OPTIN/OPTOUT mode {OTHER_MODE}")
    _check_prefixes(wanted.prefixes, [] if current is None else sorted(current.prefixes))


def _check_prefixes(prefixes: list[bytes], current: list[bytes]) -> None:
    """No key may begin with two of them. Raises RespError."""
    for index, prefix in enumerate(prefixes):
        if len(prefix) > MAX_KEY_BYTES:
            raise RespError(f"ERR A prefix is at most {MAX_KEY_BYTES:,} bytes.")
        which = chain(
            (("an existing prefix", each) for each in current),
            (("another provided prefix", each) for each in prefixes[index + 1 :]),
        )
        for what, other in which:
            if prefix.startswith(other) or other.startswith(prefix):
                shown, beside = (each.decode(errors="replace") for each in (prefix, other))
                raise RespError(
                    f"ERR Prefix '{shown}' overlaps with {what} '{beside}'. Prefixes for a single "
                    "client must not overlap."
                )


def caching(call: Call) -> Reply:
    state = call.client.tracking
    if state is None:
        raise RespError(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN "
            "or OPTOUT mode enabled"
        )
    match call.word(2):
        case b"yes":
            if not state.opts_in:
                raise RespError(
                    "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
                )
        case b"no":
            if not state.opts_out:
                raise RespError(
                    "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
                )
        case _:
            call.wrong_syntax()
    state.is_exception = True
    return OK


def trackinginfo(call: Call) -> Reply:
    state = call.client.tracking
    if state is None:
        flags, redirect, prefixes = [b"off"], -1, list[bytes]()
    else:
        flags, redirect, prefixes = list(_flags(state)), state.redirect, sorted(state.prefixes)
    fields = (
        (b"flags", set_of(call.protocol, [bulk(flag) for flag in flags])),
        (b"redirect", integer(redirect)),
        (b"prefixes", array([bulk(prefix) for prefix in prefixes])),
    )
    return map_of(call.protocol, ((bulk(name), value) for name, value in fields))


def _flags(state: Tracking) -> list[bytes]:
    shown = {
        b"on": True,
        b"bcast": state.is_broadcast,
        b"optin": state.opts_in,
        b"caching-yes": state.opts_in and state.is_exception,
        b"optout": state.opts_out,
        b"caching-no": state.opts_out and state.is_exception,
        b"noloop": state.skips_own,
        b"broken_redirect": state.is_broken,
    }
    return [name for name, is_shown in shown.items() if is_shown]


def getredir(call: Call) -> Reply:
    state = call.client.tracking
    return integer(-1 if state is None else state.redirect)


HERE = frozenset({"noscript", "loading", "stale"})

OF_CLIENT = (
    Command("client|tracking", -3, tracking, flags=HERE),
    Command("client|caching", 3, caching, flags=HERE),
    Command("client|trackinginfo", 2, trackinginfo, flags=HERE),
    Command("client|getredir", 2, getredir, flags=HERE),
)
"""Parts of CLIENT."""
