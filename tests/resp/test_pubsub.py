"""Pub/sub: replies and messages as those of a real redis-server, and its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.resp import channels, deliveries, outbox
from sidecar.serving.budget import Budget
from tests.resp.peers import Serving, play, redis_server, serving
from tests.running import wait_until


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_server(Path(tmp_path_factory.mktemp("redis"))) as port:
        yield port


@pytest.fixture
def sidecar() -> Iterator[Serving]:
    with serving() as running:
        yield running


SCRIPTS = {
    "a message goes to subscribers of its channel": """
        a: subscribe one two one
        b: publish one hello
        b: publish two hello
        b: publish three hello
        a: unsubscribe one
        b: publish one hello
        b: publish two hello
    """,
    "a pattern has the messages of all channels that it matches": """
        a: psubscribe n* n* h[ae]llo
        a: subscribe news
        b: publish news x
        b: publish nothing x
        b: publish hallo x
        b: publish other x
        a: punsubscribe n*
        b: publish news x
    """,
    "in RESP2 a subscribed client may run few commands": """
        a: subscribe one
        a: get x
        a: set x 1
        a: client id
        a: hello 3
        a: multi
        a: exec
        a: get
        a: nonsense
        a: client nonsense
        a: ping
        a: ping hi
        a: ping hi hi
        a: unsubscribe
        a: get x
        a: ping
        a: psubscribe x*
        a: get x
        a: reset
        a: get x
        b: publish one hello
    """,
    "what is not subscribed can be unsubscribed": """
        a: unsubscribe
        a: punsubscribe
        a: unsubscribe one two
        a: subscribe one
        a: punsubscribe
        a: unsubscribe
    """,
    "all are unsubscribed at once": """
        a: subscribe one
        a: psubscribe p*
        a: unsubscribe
        a: punsubscribe
        a: get x
    """,
    "PUBSUB tells who listens": """
        a: subscribe one
        b: pubsub channels
        b: pubsub channels o*
        b: pubsub channels t*
        b: pubsub channels a b
        b: pubsub numsub
        b: pubsub numsub one two
        b: pubsub numpat
        b: pubsub numpat 1
        b: pubsub nonsense
        b: pubsub
        a: psubscribe p* q*
        c: psubscribe p*
        b: pubsub numpat
        a: unsubscribe
        b: pubsub channels
        b: pubsub numsub one
    """,
    "wrong arguments": """
        a: subscribe
        a: psubscribe
        a: publish one
        a: publish one two three
    """,
    "within a transaction": """
        a: multi | subscribe one two | publish three x | exec
        b: publish one x
    """,
}
RESP3 = {
    "any command is allowed in RESP3": """
        a: subscribe one
        a: get x
        a: ping
        a: ping hi
        b: publish one hello
        a: multi | get x | exec
        a: reset
        b: publish one hello
    """,
    "unsubscribed from nothing": """
        a: unsubscribe
        a: punsubscribe
        a: psubscribe a*
        a: unsubscribe x
    """,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_replies_and_messages_are_those_of_redis(redis: int, sidecar: Serving, name: str) -> None:
    """The same script on the same connections gives the same bytes."""
    assert play(sidecar.port, SCRIPTS[name]) == play(redis, SCRIPTS[name])


@pytest.mark.parametrize("name", RESP3)
def test_pushes_are_those_of_redis(redis: int, sidecar: Serving, name: str) -> None:
    """In RESP3, apart from what HELLO itself says."""
    script = "a: hello 3\n" + RESP3[name]
    assert play(sidecar.port, script)[1:] == play(redis, script)[1:]


def test_a_client_of_resp3_has_its_own_message_behind_the_reply(sidecar: Serving) -> None:
    """As in Redis 7.2."""
    talk = sidecar.connect()
    talk.ask("hello 3")
    talk.ask("subscribe one")
    assert talk.ask("publish one hi") == b":1\r\n>3\r\n$7\r\nmessage\r\n$3\r\none\r\n$2\r\nhi\r\n"


def test_messages_come_whatever_client_reply_says(sidecar: Serving) -> None:
    """What confirms a subscription is a message rather than a reply."""
    talk, other = sidecar.connect(), sidecar.connect()
    talk.ask("hello 3")
    talk.send("client", "reply", "off")
    talk.send("subscribe", "one")
    talk.send("get", "x")
    talk.wait_for(b">3\r\n$9\r\nsubscribe\r\n$3\r\none\r\n:1\r\n")
    other.ask("publish one hi")
    assert talk.wait_for(b"hi\r\n") == b">3\r\n$7\r\nmessage\r\n$3\r\none\r\n$2\r\nhi\r\n"


def test_a_client_that_goes_back_to_resp2_stays_subscribed(sidecar: Serving) -> None:
    """It may run few commands from then on."""
    talk = sidecar.connect()
    talk.ask("hello 3")
    talk.ask("subscribe one")
    talk.ask("hello 2")
    assert talk.ask("get x").startswith(b"-ERR Can't execute 'get'")


def test_client_list_knows_subscribers(sidecar: Serving) -> None:
    """Their number of channels and of patterns, and their type."""
    talk, other = sidecar.connect(), sidecar.connect()
    talk.ask("subscribe one two")
    talk.ask("psubscribe p*")
    listed = other.ask("client list type pubsub")
    assert b" flags=P " in listed
    assert b" sub=2 psub=1 " in listed
    assert listed.count(b"\n") == 3  # two of them are of the reply


def test_subscriptions_of_a_client_are_bounded(sidecar: Serving) -> None:
    """Those up to the bound are in force; memory is given back when the client is gone."""
    talk = sidecar.connect()
    names = [f"channel {number}" for number in range(channels.MOST_OF_A_CLIENT + 5)]
    talk.send("subscribe", *names)
    answer = talk.rest()
    assert answer.endswith(b"-ERR A client may subscribe to 10,000 channels and patterns.\r\n")
    assert answer.count(b"$9\r\nsubscribe\r\n") == channels.MOST_OF_A_CLIENT
    assert sidecar.budget.used_bytes > channels.MOST_OF_A_CLIENT * channels.SUBSCRIPTION_BYTES
    talk.close()
    wait_until(lambda: sidecar.budget.used_bytes == 0, "its memory is given back")
    assert not len(sidecar.service.channels)


def test_subscriptions_take_memory_from_the_budget() -> None:
    """Where there is none left, they are refused."""
    with serving(Budget(10 * channels.SUBSCRIPTION_BYTES)) as sidecar:
        talk = sidecar.connect()
        answer = talk.ask("subscribe " + " ".join(map(str, range(20))))
        assert answer.endswith(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n")
        talk.close()
        wait_until(lambda: sidecar.budget.used_bytes == 0, "its memory is given back")


def test_patterns_are_bounded(sidecar: Serving) -> None:
    """Each message is matched with all of them."""
    talk = sidecar.connect()
    talk.send("psubscribe", *(f"{number}*" for number in range(channels.MOST_PATTERNS + 1)))
    assert b"-ERR All clients together may have 1,000 patterns." in talk.rest()
    assert talk.ask("psubscribe " + "x" * 2000).startswith(b"-ERR A pattern is at most")
    assert sidecar.connect().ask("psubscribe 1*").endswith(b":1\r\n")


def test_a_subscriber_that_does_not_read_is_closed() -> None:
    """Beyond the bound, while others have all messages; its memory is given back."""
    with serving() as sidecar:
        slow, reader, publisher = (sidecar.connect() for _ in range(3))
        slow.ask("subscribe one")
        reader.ask("subscribe one")
        size = 1 << 20
        received = 0
        for _ in range(2 * outbox.MOST_UNREAD_BYTES // size):
            publisher.send("publish", "one", bytes(size))
            received += len(reader.wait_for(bytes(size) + b"\r\n"))
            publisher.rest()
        assert received > 2 * outbox.MOST_UNREAD_BYTES
        slow.wait_for_end()
        wait_until(lambda: sidecar.budget.used_bytes < channels.SUBSCRIPTION_BYTES * 2, "released")


def test_a_subscriber_is_closed_where_the_budget_is_exhausted() -> None:
    """Long before its own bound."""
    with serving(Budget(4 << 20)) as sidecar:
        slow, publisher = sidecar.connect(), sidecar.connect()
        slow.ask("subscribe one")
        for _ in range(40):
            publisher.send("publish", "one", bytes(256 << 10))
            publisher.rest()
        slow.wait_for_end()
        wait_until(lambda: sidecar.budget.used_bytes == 0, "its memory is given back")


def test_a_message_to_many_is_sent_in_slices_and_in_order(sidecar: Serving) -> None:
    """Each subscriber has all messages in their order, though one turn of the loop sends few."""
    crowd = [sidecar.connect() for _ in range(deliveries.A_TURN + 50)]
    for talk in crowd:
        talk.ask("subscribe one")
    publisher = sidecar.connect()
    for number in range(3):
        publisher.send("publish", "one", str(number))
    assert publisher.rest() == b":%d\r\n" % len(crowd) * 3
    wanted = b"".join(
        b"*3\r\n$7\r\nmessage\r\n$3\r\none\r\n$1\r\n%d\r\n" % number for number in range(3)
    )
    assert all(talk.rest() == wanted for talk in crowd)
    assert sidecar.service.deliveries.is_done


def test_who_unsubscribes_meanwhile_has_no_message(sidecar: Serving) -> None:
    """What waits for a later turn is not sent to those who have left by then: in RESP2 they would
    take it for a reply.
    """
    crowd = [sidecar.connect() for _ in range(deliveries.A_TURN + 1)]
    for talk in crowd:
        talk.ask("subscribe one")

    def publish_and_leave() -> None:
        service = sidecar.service
        assert service.channels.publish(b"one", b"x") == len(crowd)
        last = max(service.clients)
        service.channels.leave(service.clients[last])

    sidecar.do(publish_and_leave)
    assert crowd[0].rest()
    assert crowd[-1].rest() == b""
