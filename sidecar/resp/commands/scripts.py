"""EVAL, EVALSHA and SCRIPT, for the scripts that are known."""

from __future__ import annotations

from sidecar.resp.call import Call
from sidecar.resp.command import COUNT_AT, Command, CountedKeys, Reply, container
from sidecar.resp.errors import RespError
from sidecar.resp.loaded import NO_SUCH_SCRIPT
from sidecar.resp.replies import OK, ONE, ZERO, array, bulk
from sidecar.resp.scripts import Builtin, Script, builtin_of

DIGEST_CHARACTERS = 40


def eval_(call: Call) -> Reply:
    _, builtin = call.service.scripts.load(call.arguments[1], builtin_of)
    return _run(call, builtin)


def evalsha(call: Call) -> Reply:
    if len(call.arguments[1]) != DIGEST_CHARACTERS:
        raise RespError(NO_SUCH_SCRIPT)
    return _run(call, call.service.scripts.find(_digest(call.arguments[1])))


def _run(call: Call, builtin: Builtin) -> Reply:
    keys = list(call.command.keys.of(call.arguments))
    return builtin(Script(call, keys, call.arguments[COUNT_AT + 1 + len(keys) :]))


def load(call: Call) -> Reply:
    digest, _ = call.service.scripts.load(call.arguments[2], builtin_of)
    return bulk(digest.encode())


def exists(call: Call) -> Reply:
    scripts = call.service.scripts
    return array([ONE if _digest(each) in scripts else ZERO for each in call.arguments[2:]])


def flush(call: Call) -> Reply:
    if len(call.arguments) > 3 or call.word(2) not in {b"", b"sync", b"async"}:
        raise RespError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    call.service.scripts.flush()
    return OK


def _digest(text: bytes) -> str:
    return text.lower().decode(errors="replace")


KEYS = CountedKeys()
RUN = frozenset({"noscript", "movablekeys"})
SCRIPT = frozenset({"noscript"})

COMMANDS = (
    *(
        Command(name, -3, run, KEYS, reads=True, writes=True, looked_up=Call.full_keys, flags=RUN)
        for name, run in (("eval", eval_), ("evalsha", evalsha))
    ),
    container(
        "script",
        Command("script|load", 3, load, flags=SCRIPT),
        Command("script|exists", -3, exists, flags=SCRIPT),
        Command("script|flush", -2, flush, flags=SCRIPT),
    ),
)
