"""Operations on one entry over HTTP, as curl and other clients use them."""

from __future__ import annotations

import socket

import pytest

from tests.running import RunningSidecar, life_left, problem

PATH = "/v1/cache/test/key"


def exchange(sidecar: RunningSidecar, *pieces: bytes, hang_up: bool = False) -> bytes:
    """Send raw bytes piece by piece; returns what arrives until the other side closes."""
    with socket.create_connection(("127.0.0.1", sidecar.port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_a_value_comes_back_as_it_was_put(sidecar: RunningSidecar) -> None:
    """The bytes, their type, and the headers that state the lifetime."""
    put = sidecar.ask("PUT", f"{PATH}?ttl=60", b"\x00\xff", {"Content-Type": "image/x"})
    assert put.status == 201
    answer = sidecar.ask("GET", PATH)
    assert (answer.status, answer.body) == (200, b"\x00\xff")
    assert answer.headers["Content-Type"] == "image/x"
    assert answer.headers["ETag"] == put.headers["ETag"]
    assert answer.headers["Age"] in {"0", "1"}
    assert answer.headers["Cache-Control"] == "no-cache"
    assert life_left(answer.headers) in {59, 58}
    status = answer.headers["Cache-Status"]
    assert status in {
        "cache-sidecar; hit; ttl=59; detail=l1",
        "cache-sidecar; hit; ttl=58; detail=l1",
    }


def test_a_miss_is_a_problem_that_says_so(sidecar: RunningSidecar) -> None:
    """404 with Cache-Status: fwd=miss, for GET, HEAD and DELETE."""
    for method in ("GET", "DELETE"):
        answer = sidecar.ask(method, PATH)
        problem(answer, 404)
        assert answer.headers["Cache-Status"] == "cache-sidecar; fwd=miss"
    assert sidecar.ask("HEAD", PATH).status == 404


def test_put_says_whether_it_replaced(sidecar: RunningSidecar) -> None:
    """201, then 204; DELETE 204, then 404."""
    statuses = [sidecar.ask("PUT", PATH, b"v").status for _ in range(2)]
    statuses += [sidecar.ask("DELETE", PATH).status for _ in range(2)]
    assert statuses == [201, 204, 204, 404]


def test_head_is_get_without_the_body(sidecar: RunningSidecar) -> None:
    """The same headers, Content-Length included, and no body."""
    sidecar.ask("PUT", PATH, b"value")
    head, get = sidecar.ask("HEAD", PATH), sidecar.ask("GET", PATH)
    assert head.body == b""
    for name in ("Content-Length", "ETag", "Content-Type"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    "field", ["0", "text", "/plain", "text/plain, text/html", "text/ä", "a/" * 9]
)
def test_what_is_no_content_type_is_refused(sidecar: RunningSidecar, field: str) -> None:
    """It would be sent with every answer. A type with parameters is valid, and so is none."""
    refused = sidecar.ask("PUT", PATH, b"1", {"Content-Type": field.encode().decode("latin-1")})
    assert "type/subtype" in problem(refused, 400)
    assert sidecar.ask("GET", PATH).status == 404
    good = "text/plain; charset=utf-8"
    assert sidecar.ask("PUT", PATH, b"1", {"Content-Type": good}).status == 201
    assert sidecar.ask("GET", PATH).headers["Content-Type"] == good
    assert sidecar.ask("PUT", PATH, b"1", {"Content-Type": ""}).status == 204
    assert sidecar.ask("GET", PATH).headers["Content-Type"] == "application/octet-stream"


def test_conditions_are_held_against_the_version_in_force(sidecar: RunningSidecar) -> None:
    """If-None-Match: * only adds; If-Match only replaces that version; 304 for the known one."""
    ask = sidecar.ask
    assert ask("PUT", PATH, b"1", {"If-Match": "*"}).status == 412
    first = ask("PUT", PATH, b"1", {"If-None-Match": "*"})
    assert first.status == 201
    tag = first.headers["ETag"]
    problem(ask("PUT", PATH, b"2", {"If-None-Match": "*"}), 412)
    assert ask("GET", PATH, None, {"If-None-Match": f'"other", W/{tag}'}).status == 304
    assert ask("GET", PATH, None, {"If-None-Match": '"other"'}).status == 200
    assert ask("PUT", PATH, b"2", {"If-Match": f"W/{tag}"}).status == 412
    second = ask("PUT", PATH, b"2", {"If-Match": f'"other", {tag}'})
    assert second.status == 204
    assert ask("DELETE", PATH, None, {"If-Match": tag}).status == 412
    assert ask("DELETE", PATH, None, {"If-Match": second.headers["ETag"]}).status == 204


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("field", ["1f0a", "", ",", '"a" "b"', '*, "a"', "W/x", '"a', '"a b"'])
def test_what_is_no_list_of_etags_is_refused(
    sidecar: RunningSidecar, name: str, field: str
) -> None:
    """Otherwise an ETag without quotes would be a condition that is never true, or always."""
    sidecar.ask("PUT", PATH, b"1")
    for method, body in (("GET", None), ("PUT", b"2"), ("DELETE", None)):
        assert "in double quotes" in problem(sidecar.ask(method, PATH, body, {name: field}), 400)
    assert sidecar.ask("GET", PATH).body == b"1"


def test_a_condition_sees_what_only_l3_has(own_sidecar: RunningSidecar) -> None:
    """After a restart, If-None-Match: * on a key of L3 fails."""
    sidecar = own_sidecar
    sidecar.put("key", b"old")
    for number in range(1200):
        sidecar.put(f"other{number}", b"v")
    sidecar.kill_both()
    sidecar.start()
    assert sidecar.ask("PUT", PATH, b"new", {"If-None-Match": "*"}).status == 412


def test_a_life_can_be_given(sidecar: RunningSidecar) -> None:
    """max-age, ?ttl= with precedence over it, and never; other values are refused with advice."""
    ask = sidecar.ask
    ask("PUT", PATH, b"v", {"Cache-Control": "max-age=30"})
    assert life_left(ask("GET", PATH).headers) in {29, 28}
    ask("PUT", f"{PATH}?ttl=90", b"v", {"Cache-Control": "max-age=30"})
    assert life_left(ask("GET", PATH).headers) in {89, 88}
    ask("PUT", f"{PATH}?ttl=80", b"v", {"Cache-Control": "max-age=x"})
    assert life_left(ask("GET", PATH).headers) in {79, 78}
    ask("PUT", f"{PATH}?ttl=never", b"v")
    answer = ask("GET", PATH)
    assert answer.headers["Cache-Status"] == "cache-sidecar; hit; detail=l1"
    ask("PUT", f"{PATH}?ttl=0", b"v")
    assert ask("GET", PATH).status == 404
    assert "ttl=60" in problem(ask("PUT", f"{PATH}?ttl=soon", b"v"), 400)
    ask("PUT", PATH, b"v", {"Cache-Control": 'max-age="70"'})
    assert life_left(ask("GET", PATH).headers) in {69, 68}
    for wrong in ("x", "", '60"', '"60', '"', "-1", "1.5"):
        answer = ask("PUT", PATH, b"v", {"Cache-Control": f"max-age={wrong}"})
        assert "max-age=60" in problem(answer, 400)


@pytest.mark.parametrize("name", ["a/b/c", "%C3%A9", "%FF%00", "a%2Fb", "...", "k" * 1024, "%25"])
def test_a_key_is_any_1_to_1024_bytes(sidecar: RunningSidecar, name: str) -> None:
    """Percent-encoded or not, a key names what was put there, and no other."""
    assert sidecar.put(name, b"v").status == 201
    assert sidecar.get(name).body == b"v"
    assert sidecar.get(f"{name}x"[-1024:]).status == 404


def test_an_encoded_slash_is_a_slash(sidecar: RunningSidecar) -> None:
    """Both spellings are one key."""
    sidecar.put("a%2Fb", b"v")
    assert sidecar.get("a/b").body == b"v"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/cache/",
        "/v1/cache/ns",
        "/v1/cache/ns/",
        "/v1/cache/n%20s/k",
        "/v1/cache//k",
        "/v1/cache/" + "n" * 65 + "/k",
        "/v1/cache/ns/" + "k" * 1025,
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_bad_names_are_refused(sidecar: RunningSidecar, method: str, path: str) -> None:
    """400 with a sentence that defines a valid name."""
    problem(sidecar.ask(method, path, b"v" if method == "PUT" else None), 400)


def test_other_methods_and_paths_are_refused(sidecar: RunningSidecar) -> None:
    """405 lists the allowed methods, 404 the existing paths."""
    answer = sidecar.ask("LOCK", PATH, b"v")
    problem(answer, 405)
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, PATCH, POST, PUT"
    assert "/v1/stats" in problem(sidecar.ask("GET", "/nothing"), 404)


def test_the_largest_value_fits_and_one_more_byte_does_not(sidecar: RunningSidecar) -> None:
    """8 MiB are returned whole; one byte more is 413, and the old value stays."""
    value = bytes(range(256)) * (8 << 12)
    assert sidecar.ask("PUT", PATH, value).status == 201
    assert sidecar.ask("GET", PATH).body == value
    head = f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(value) + 1}\r\n\r\n"
    assert exchange(sidecar, head.encode(), value[:1000]).startswith(b"HTTP/1.1 413 ")
    assert sidecar.ask("GET", PATH).body == value


def test_an_empty_value_is_a_value(sidecar: RunningSidecar) -> None:
    """The entry exists and has no bytes."""
    sidecar.ask("PUT", PATH, b"")
    answer = sidecar.ask("GET", PATH)
    assert (answer.status, answer.body) == (200, b"")


def test_a_body_that_ends_early_stores_nothing(sidecar: RunningSidecar) -> None:
    """A client announces ten bytes, sends five and disconnects: the entry does not exist."""
    head = f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n".encode()
    exchange(sidecar, head, b"12345", hang_up=True)
    assert sidecar.ask("GET", PATH).status == 404


def test_bytes_may_come_one_at_a_time(sidecar: RunningSidecar) -> None:
    """The request is parsed correctly."""
    request = (
        f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        "Connection: close\r\n\r\nabc"
    ).encode()
    answer = exchange(sidecar, *(request[at : at + 1] for at in range(len(request))))
    assert answer.startswith(b"HTTP/1.1 201 ")


def test_what_is_no_http_is_a_problem(sidecar: RunningSidecar) -> None:
    """400 as problem+json, and the server continues."""
    answer = exchange(sidecar, b"\x16\x03\x01 nonsense\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    huge = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"x" * 100_000 + b"\r\n\r\n"
    assert b"application/problem+json" in exchange(sidecar, huge)
    assert sidecar.ask("GET", "/v1/stats").status == 200


def test_http_1_0_and_pipelines_are_understood(sidecar: RunningSidecar) -> None:
    """HTTP/1.0 closes unless asked not to; pipelined requests are answered in order."""
    sidecar.ask("PUT", PATH, b"value")
    assert b"Connection: close" in exchange(sidecar, f"GET {PATH} HTTP/1.0\r\n\r\n".encode())
    one = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    last = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    assert exchange(sidecar, one * 20 + last).count(b"value") == 21


def test_curl_waits_for_100_continue(sidecar: RunningSidecar) -> None:
    """A client that sends Expect gets 100 Continue."""
    length = "Content-Length: 3\r\nExpect: 100-continue"
    head = f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", sidecar.port), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(b"abc")
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")


def test_a_chunked_body_is_a_body(sidecar: RunningSidecar) -> None:
    """A value in chunks, without Content-Length."""
    head = f"PUT {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    head += "Connection: close\r\n\r\n"
    assert exchange(sidecar, head.encode(), b"3\r\nabc\r\n0\r\n\r\n").startswith(b"HTTP/1.1 201 ")
    assert sidecar.ask("GET", PATH).body == b"abc"
