"""redis-py with hiredis as its parser, and hiredis alone."""

import os
import socket
from urllib.parse import urlsplit

import hiredis
import redis

URL = os.environ["REDIS_URL"]
for protocol in (2, 3):
    r = redis.Redis.from_url(URL, protocol=protocol)
    connection = r.connection_pool.get_connection()
    assert type(connection._parser).__name__ == "_HiredisParser"
    r.connection_pool.release(connection)
    with r.pipeline(transaction=False) as pipe:
        for number in range(10_000):
            pipe.set(f"key:{number}", b"x" * (number % 1000))
        pipe.execute()
    values = r.mget(f"key:{number}" for number in range(10_000))
    assert [len(value) for value in values] == [number % 1000 for number in range(10_000)]
    assert r.delete(*(f"key:{number}" for number in range(10_000))) == 10_000

parts = urlsplit(URL)
with socket.create_connection((parts.hostname, parts.port), 10) as connection:
    reader = hiredis.Reader()
    connection.sendall(
        hiredis.pack_command((b"SET", b"k", b"\r\n"))
        + hiredis.pack_command((b"GET", b"k"))
        + hiredis.pack_command((b"INCR", b"k"))
    )
    replies = []
    while len(replies) < 3:
        reader.feed(connection.recv(4096))
        while (reply := reader.gets()) is not False:
            replies.append(reply)
assert replies[:2] == [b"OK", b"\r\n"]
assert isinstance(replies[2], hiredis.ReplyError)
