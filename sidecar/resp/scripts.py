"""Lua scripts that are known: those of clients' locks and counters. No interpreter runs them.

A script is known by the SHA1 of its tokens, so that line breaks, indents, comments, quotes and the
case of commands make no difference. What it does is a built-in of the same meaning, which runs the
commands that the script calls. As in Redis, its own SHA1 works once its text has been sent. One
file of more than 300 lines, so that the built-ins stand beside the table of what they are of.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from sidecar.api.integers import integer_or_none
from sidecar.resp.call import Call
from sidecar.resp.command import Reply
from sidecar.resp.errors import NOT_AN_INTEGER, RespError
from sidecar.resp.replies import OK, ONE, ZERO, error, integer, null
from sidecar.resp.times import milliseconds_of

MOST_TEXT_BYTES = 4096
"""No known script is nearly as long."""
NOT_KNOWN = (
    "ERR Lua scripts do not run here, except for those by which known clients lock and count; see "
    "the list of scripts in the documentation of the Redis protocol."
)
MOST_EXACT = (1 << 53) - 1
"""Numbers of Lua are floats, which are not exact beyond."""
MISSING = "ERR Lua redis lib command arguments must be strings or integers"
FAILURE = error("ERR ERROR")
_TOKEN = re.compile(
    rb"""--(?!\[)[^\r\n]*          # a comment
    | "([^"\\\r\n]*)" | '([^'"\\\r\n]*)'
    | \w+ | [=~<>]= | \.\.\.? | \S""",
    re.VERBOSE,
)


class Script(NamedTuple):
    """A script that is being run: its call, KEYS (as sent) and ARGV."""

    call: Call
    keys: list[bytes]
    values: list[bytes]

    def key(self) -> bytes:
        """The first key. Raises RespError."""
        if not self.keys:
            raise RespError(MISSING)
        return self.keys[0]

    def value(self, index: int) -> bytes:
        """ARGV[index]. Raises RespError."""
        if index > len(self.values):
            raise RespError(MISSING)
        return self.values[index - 1]

    def get(self, key: bytes) -> bytes | None:
        version = self.call.versions.get(self.call.full_key(key))
        return None if version is None else version.value

    def owns(self, key: bytes) -> bool:
        """Whether the value of a key is ARGV[1]."""
        return bool(self.values) and self.get(key) == self.values[0]

    def run(self, name: str, *arguments: bytes) -> Reply:
        """Run a command. Raises RespError, WriteError."""
        call = self.call
        command = call.service.commands[name]
        assert command.run is not None  # noqa: S101  (the built-ins use none that waits)
        return command.run(call.of(command, [name.encode(), *arguments]))

    def run_first(self, name: str, *arguments: bytes) -> Reply:
        """Run a command on the first key."""
        return self.run(name, self.key(), *arguments)


Builtin = Callable[[Script], Reply]


def digest_of_tokens(text: bytes) -> str:
    """The SHA1 of a script's tokens: strings in double quotes, commands in small letters."""
    tokens: list[bytes] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        string = match[1] if match[1] is not None else match[2]
        if string is not None:
            names_a_command = tokens[-2:] in ([b"call", b"("], [b"pcall", b"("])
            token = b'"%b"' % (string.lower() if names_a_command else string)
        elif token.startswith(b"--"):
            continue
        tokens.append(token)
    return hashlib.sha1(b" ".join(tokens), usedforsecurity=False).hexdigest()


def builtin_of(text: bytes) -> Builtin:
    """Raises RespError."""
    if len(text) <= MOST_TEXT_BYTES:
        builtin = BUILTINS.get(digest_of_tokens(text))
        if builtin is not None:
            return builtin
    raise RespError(NOT_KNOWN)


# ---- locks


def release(script: Script) -> Reply:
    """Delete the key if its value is the token."""
    return script.run_first("del") if script.owns(script.key()) else ZERO


def extend(script: Script) -> Reply:
    """Let the key live for ARGV[2] milliseconds if its value is the token."""
    if not script.owns(script.key()):
        return ZERO
    return script.run_first("pexpire", script.value(2))


def reacquire(script: Script) -> Reply:
    """The same, as redis-py answers it."""
    if not script.owns(script.key()):
        return ZERO
    script.run_first("pexpire", script.value(2))
    return ONE


def extend_by(script: Script) -> Reply:
    """Let the key live for ARGV[2] milliseconds, or for as many more if ARGV[3] is 0, if its value
    is the token and it has a life.
    """
    if not script.owns(script.key()):
        return ZERO
    left = _milliseconds_left(script)
    if left is None:
        return ZERO
    milliseconds = script.value(2)
    if script.values[2:3] == [b"0"]:
        number = integer_or_none(milliseconds)
        if number is None:
            raise RespError("ERR attempt to perform arithmetic on a string value")
        milliseconds = b"%d" % (number + left)
    script.run_first("pexpire", milliseconds)
    return ONE


def time_left(script: Script) -> Reply:
    """The milliseconds that the key lives if its value is the token; 0 if it has no life."""
    left = _milliseconds_left(script) if script.owns(script.key()) else None
    return integer(left or 0)


def _milliseconds_left(script: Script) -> int | None:
    version = script.call.versions.get(script.call.full_key(script.key()))
    when = None if version is None else milliseconds_of(version.entry.expires_at)
    return None if when is None else max(0, when - script.call.now_ms())


def acquire_all(script: Script) -> Reply:
    """Put the token at all keys for ARGV[2] milliseconds, if none of them is there."""
    if any(script.get(key) is not None for key in script.keys):
        return ZERO
    return _put_all(script)


def extend_all(script: Script) -> Reply:
    """The same, if all of them have it."""
    return _put_all(script) if all(map(script.owns, script.keys)) else ZERO


def _put_all(script: Script) -> Reply:
    for key in script.keys:
        script.run("set", key, script.value(1), b"PX", script.value(2))
    return integer(len(script.keys))


def release_all(script: Script) -> Reply:
    """Delete those keys whose value is the token; returns their number."""
    count = 0
    for key in script.keys:
        if script.owns(key):
            script.run("del", key)
            count += 1
    return integer(count)


# ---- the locks of aioredlock, which answers with errors


def put_or_refuse(script: Script) -> Reply:
    """Put the token for ARGV[2] milliseconds, unless the key has another."""
    if script.get(script.key()) is not None and not script.owns(script.key()):
        return FAILURE
    return script.run_first("set", script.value(1), b"PX", script.value(2))


def delete_or_refuse(script: Script) -> Reply:
    """Delete the key, unless it has another token."""
    if script.get(script.key()) is None:
        return OK
    return script.run_first("del") if script.owns(script.key()) else FAILURE


def seconds_or_refuse(script: Script) -> Reply:
    """The seconds that the key lives if its value is the token."""
    return script.run_first("ttl") if script.owns(script.key()) else FAILURE


# ---- counters and values


def add(script: Script) -> Reply:
    """Add ARGV[1] to a number."""
    return script.run_first("incrby", script.value(1))


def add_if_there(script: Script) -> Reply:
    """The same, if there is one."""
    if script.get(script.key()) is None:
        return null(script.call.protocol)
    return add(script)


def add_with_life(script: Script) -> Reply:
    """The same; a number that becomes 1 lives for ARGV[2] milliseconds."""
    reply = add(script)
    if reply == ONE:
        script.run_first("pexpire", script.value(2))
    return reply


def raise_to(script: Script) -> Reply:
    """Let the number be ARGV[1] if it is less, or if there is none; null if it is not."""
    current, new = script.get(script.key()), integer_or_none(script.value(1))
    if new is None:
        raise RespError(MISSING)
    if abs(new) > MOST_EXACT:
        raise RespError(NOT_AN_INTEGER)
    number = None if current is None else integer_or_none(current)
    if number is not None and number >= new:
        return null(script.call.protocol)
    script.run_first("set", b"%d" % new)
    return integer(new)


def replace_if(script: Script) -> Reply:
    """Replace the value ARGV[2] by ARGV[1], with a life if ARGV[3] and ARGV[4] state one."""
    if len(script.values) < 2 or script.get(script.key()) != script.values[1]:
        return ZERO
    life = script.values[2:4] if len(script.values) == 4 else []
    return script.run_first("set", script.value(1), *life)


BUILTINS: Mapping[str, Builtin] = MappingProxyType(
    {
        # redis-py and aioredis
        "6013ae0c95eeba7b3e33a88fc8d25a77f4b550fe": release,
        "d8a398966e7abc78a880ed5663c322deb19842b9": extend_by,
        "c71cad0a6ec0d7d5ebef9ee0a7da090bd349b10e": reacquire,
        # Redlock, as in the documentation of Redis: aiocache, cashews, pottery, redlock-py and -ng
        "8f4d42e76cbb4fad0f45e575441b8a269ebc173c": release,
        "dc8ad6110baa7f60ed379b4db40a165d3c7e1ae1": extend,
        # pottery
        "47e9952539210b4704dc56b7bd8593763cc127c7": time_left,
        "76a8c5b6fec946dd3a374b42261376db87b21aed": raise_to,
        # redlock of Node.js, 4 and 5
        "ac8ebd377ea580fc4c09132a44e6ef8232ecc74a": acquire_all,
        "c7f6c5c6ca5364fbc13470f6ed147a8f6b7473a7": extend_all,
        "d170c1b6d0d1e4e4392607d9d8789dc336c35116": release_all,
        # aioredlock
        "b351acb62eb612c516f08a8ce17b049421f5be79": put_or_refuse,
        "8f66f8abc0e63fb145accdd4dfb6b8fa032148f2": delete_or_refuse,
        "9d286bca3e7c8b07d0e3810c7c01832db912bc72": seconds_or_refuse,
        # aiocache
        "938b63cb030297b1292c166ca89c8738608cccb5": replace_if,
        # cashews
        "6fa099ac9908a9768acbf5aa4f68313391899507": add_with_life,
        # django-redis
        "e7b7aef62fe076bc53593127fd29a35e163c0292": add_if_there,
        "79d5e0e8b55197c9609e386648162577d72f98c4": add,
    }
)
"""By the SHA1 of their tokens."""
