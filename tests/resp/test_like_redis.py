"""Random commands get the same replies from a sidecar and from a Redis, byte by byte.

Left out: keys of 0 or more than 1,024 bytes, values over the limit, times of expiry beyond those
that a float holds to the millisecond, COMMAND and INFO; and OBJECT ENCODING after a command that
has Redis keep a string in another form than its length tells.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.resp.servers import Wire
from tests.running import RunningSidecar

EXAMPLES = int(os.environ.get("RESP_EXAMPLES", "300"))
KEYS = (b"a", b"b", b"c", b"{d}", b"\x00\xff\r\n", b"k" * 1024)
LIMITS = (
    *(b"0", b"1", b"-1", b"7", b"10", b"-0", b"007", b"+5", b" 5", b"5 ", b"", b"x", b"1e3"),
    *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808"),
    *(b"-9223372036854775809", b"9223372036854775806", b"4611686018427387904"),
)
SMALL = (b"0", b"1", b"-1", b"2", b"3", b"-3", b"5", b"100", b"-100", *LIMITS[:9])
FLOATS = (
    *(b"0.1", b"3.0e3", b"-2.5", b"1e17", b"inf", b"-inf", b"nan", b".5", b"5.", b"0x10", b"1e-20"),
    *(b"123456789012345678901234567890", b"1e4000", b"1e5000", b"--1", b"1.7e308"),
)
VALUES = (b"", b"x", b"hello", b"hello world" * 10, bytes(range(256)), *LIMITS, *FLOATS)
SOON, LATER = (b"100", b"1000", b"100000"), (b"4000000000", b"5000000000")
NO_TIMES = (b"0", b"-1", b"-100", b"x", b"", b"9223372036854775807", b"-9223372036854775808")

Parts = tuple[bytes, ...]

key = st.sampled_from(KEYS)
value = st.sampled_from(VALUES) | st.binary(max_size=12)
integer = st.sampled_from(LIMITS) | st.integers().map(lambda n: b"%d" % n)
small = st.sampled_from(SMALL)
number = st.sampled_from((*FLOATS, *LIMITS)) | st.floats().map(lambda x: repr(x).encode())
flag = st.sampled_from((b"NX", b"xx", b"GT", b"LT", b"nx", b"zz"))


def words(*names: bytes) -> st.SearchStrategy[bytes]:
    return st.sampled_from(names)


def a(*parts: st.SearchStrategy[bytes] | bytes) -> st.SearchStrategy[Parts]:
    return st.tuples(*(st.just(each) if isinstance(each, bytes) else each for each in parts))


def with_some(
    command: st.SearchStrategy[Parts], more: st.SearchStrategy[Parts]
) -> st.SearchStrategy[Parts]:
    return st.tuples(command, st.lists(more, max_size=3)).map(
        lambda both: both[0] + tuple(part for each in both[1] for part in each)
    )


def lives(option: st.SearchStrategy[bytes], times: tuple[bytes, ...]) -> st.SearchStrategy[Parts]:
    return a(option, st.sampled_from((*times, *times, *NO_TIMES)))


def commands(*, relative: bool) -> st.SearchStrategy[Parts]:
    """Commands that state lives from now on, or times of expiry: only in one case does it take no
    time between two servers.
    """
    if relative:
        option: st.SearchStrategy[Parts] = lives(words(b"EX", b"ex"), SOON)
        times: Parts = SOON
        unit = b""
        read = a(words(b"TTL", b"ttl"), key)
    else:
        option, times, unit = lives(words(b"EXAT", b"exat"), LATER), LATER, b"AT"
        option |= lives(words(b"PXAT"), tuple(each + b"123" for each in LATER))
        read = a(words(b"EXPIRETIME", b"PEXPIRETIME"), key)
    set_option = option | a(words(b"NX", b"XX", b"GET", b"get", b"KEEPTTL", b"ZZ"))
    when = st.sampled_from((*times, *times, *NO_TIMES))
    known = st.one_of(
        a(words(b"GET", b"get", b"Get"), key),
        a(b"SET", key, value),
        with_some(a(b"SET", key, value), set_option),
        a(b"SETNX", key, value),
        a(b"GETSET", key, value),
        a(b"GETDEL", key),
        with_some(a(b"GETEX", key), option | a(words(b"PERSIST", b"NX"))),
        with_some(a(b"MGET", key), a(key)),
        with_some(a(b"MSET", key, value), a(key, value)),
        with_some(a(b"MSETNX", key, value), a(key, value)),
        a(words(b"INCR", b"DECR"), key),
        a(words(b"INCRBY", b"DECRBY"), key, integer),
        a(b"INCRBYFLOAT", key, number),
        a(b"APPEND", key, value),
        a(b"STRLEN", key),
        a(words(b"GETRANGE", b"SUBSTR"), key, small, small),
        a(b"SETRANGE", key, words(*SMALL[:8], b"-5", b"x", b"9223372036854775807"), value),
        with_some(a(words(b"DEL", b"UNLINK", b"EXISTS", b"TOUCH"), key), a(key)),
        with_some(a(words(b"EXPIRE" + unit), key, when), a(flag)),
        read,
        a(b"PERSIST", key),
        a(b"TYPE", key),
        a(words(b"RENAME", b"RENAMENX"), key, key),
        with_some(a(b"COPY", key, key), a(words(b"REPLACE", b"DB", b"0", b"3", b"99", b"x"))),
        a(b"OBJECT", words(b"FREQ", b"zz"), key),
        a(b"SELECT", words(b"0", b"0", b"3", b"-1", b"16", b"99999999999999999999")),
        a(b"PING"),
        a(b"PING", value),
        a(words(b"MULTI", b"MULTI", b"EXEC", b"EXEC", b"DISCARD", b"UNWATCH")),
        with_some(a(b"WATCH", key), a(key)),
        a(b"CLIENT", words(b"GETNAME", b"ID", b"NOPE")).filter(lambda command: command[1] != b"ID"),
        a(b"CLIENT", b"SETNAME", value),
        a(b"CLIENT", b"REPLY", words(b"ON", b"zz")),
        a(b"ECHO", value),
    )
    more = st.lists(value.filter(bool), min_size=2, max_size=2)
    odd = st.tuples(known, st.integers(-2, 2), more).map(
        lambda parts: (parts[0] + tuple(parts[2]))[: max(1, len(parts[0]) + parts[1])]
    )
    unknown = a(words(b"NOPE", b"", b"get\r\n", b"LPUSH", b"client|id"), value, value)
    return st.one_of(known, known, known, known, odd, unknown).filter(_is_compared)


def _is_compared(command: tuple[bytes, ...]) -> bool:
    """Whether its reply is not of the moment: an odd number of arguments may make it so."""
    name = command[0].upper()
    return not (
        (
            name == b"CLIENT"
            and len(command) > 1
            and command[1].upper() in {b"ID", b"REPLY"}
            and len(command) == 2
        )
        or (name == b"LPUSH")
        or any(len(each) > 1024 for each in command[:1])
    )


@pytest.fixture(scope="module")
def wires(ours: RunningSidecar, theirs: int) -> Iterator[list[Wire]]:
    wires = [Wire(ours.resp_port), Wire(theirs)]
    yield wires
    for wire in wires:
        wire.close()


CLEAN = [(b"RESET",), (b"SELECT", b"3"), (b"DEL", *KEYS), (b"SELECT", b"0"), (b"DEL", *KEYS)]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
    phases=[Phase.generate, Phase.shrink],
)
@given(
    data=st.data(), relative=st.booleans(), at_once=st.booleans(), protocol=st.sampled_from([2, 3])
)
def test_random_commands_are_answered_alike(
    wires: list[Wire], data: st.DataObject, *, relative: bool, at_once: bool, protocol: int
) -> None:
    script = data.draw(st.lists(commands(relative=relative), min_size=1, max_size=25))
    for wire in wires:
        wire.ask(*CLEAN, (b"HELLO", b"%d" % protocol))
    if at_once:
        answers = [wire.ask(*script, (b"RESET",)) for wire in wires]
        assert answers[0] == answers[1], script
        return
    for command in script:
        answers = [wire.ask(command) for wire in wires]
        assert answers[0] == answers[1], (script, command)
