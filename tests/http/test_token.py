"""With a token, every request to the data API needs it; without one, none does."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.http.routes import CONSOLE, DATA, OPS
from tests.http.serving import raw_problem, request
from tests.http.test_parameters import concrete
from tests.running import PATIENCE_SECONDS, Answer, RunningSidecar, problem, wait_until

TOKEN = "s3cr3t-of-the-shop"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FIELD = f"Authorization: Bearer {TOKEN}"
CLOSE = "Connection: close"
PATH = "/v1/cache/test/key"
CHALLENGE = 'Bearer realm="cache-sidecar"'
PUBLIC = {route.path for route in CONSOLE}
CALLS = sorted(
    {(method, concrete(route.path)) for route in DATA for method in (route.method, "HEAD", "PATCH")}
    - {(method, concrete(path)) for path in PUBLIC for method in ("GET", "HEAD", "PATCH")}
)


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "token"
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, token_file: Path) -> Iterator[RunningSidecar]:
    folder = tmp_path_factory.mktemp("guarded")
    flags = ("--token-file", str(token_file), "--data-socket", str(folder / "socket"))
    sidecar = RunningSidecar(folder / "data", flags).start()
    assert sidecar.ask("PUT", PATH, b"secret", BEARER).status == 201
    yield sidecar
    sidecar.stop()


@pytest.fixture
def sidecar(running: RunningSidecar) -> RunningSidecar:
    """One that has the entry."""
    return running


def exchange(sidecar: RunningSidecar, *pieces: bytes) -> bytes:
    """All that is sent until the other side closes."""
    with socket.create_connection(("127.0.0.1", sidecar.port), PATIENCE_SECONDS) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while data := connection.recv(1 << 16):
            answer += data
        return answer


def refusal(answer: Answer, error: str = "") -> str:
    """The detail of a 401, after a check of its challenge."""
    assert answer.headers["WWW-Authenticate"] == CHALLENGE + error
    assert answer.headers["Cache-Control"] == "no-store"
    return problem(answer, 401)


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_route_needs_it(sidecar: RunningSidecar, method: str, path: str) -> None:
    """With any method, a query that there is not, and a body; with it, none is refused for it."""
    body = b"v" if method in {"PUT", "POST", "PATCH"} else None
    for target in (path, f"{path}?colour=red"):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = sidecar.ask(method, target, body, headers)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith(CHALLENGE)
        fields = [] if body is None else [f"Content-Length: {len(body)}"]
        kept_open = request(method, target, *fields, body=body or b"")
        assert statuses(exchange(sidecar, kept_open * 2, request("GET", PATH, CLOSE))) == [401] * 3
    assert sidecar.ask(method, f"{path}?colour=red", body, BEARER).status in {400, 405}


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1/", "/v1/cache/", "/v1/cache/a/../b", "/consoles", "//", "/console"]
)
def test_so_does_what_there_is_not(sidecar: RunningSidecar, path: str) -> None:
    """Otherwise 404 and 400 would tell which paths there are."""
    for method in ("GET", "HEAD", "PUT", "OPTIONS"):
        assert sidecar.ask(method, path).status == 401
        assert sidecar.ask(method, path, headers=BEARER).status in {400, 404, 405}


@pytest.mark.parametrize("path", sorted(concrete(path) for path in PUBLIC))
def test_the_files_of_the_console_need_none(sidecar: RunningSidecar, path: str) -> None:
    """They hold no data; the page asks for the token."""
    assert sidecar.ask("GET", path).status == 200
    absolute = request("GET", f"http://127.0.0.1:{sidecar.port}{path}", CLOSE)
    assert statuses(exchange(sidecar, absolute)) == [200]


@pytest.mark.parametrize("path", [route.path for route in OPS])
def test_the_ops_api_needs_none(sidecar: RunningSidecar, path: str) -> None:
    """The kubelet and Prometheus have none."""
    assert sidecar.ops(path).status == 200


@pytest.mark.parametrize("prefix", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_the_scheme_has_any_case(sidecar: RunningSidecar, prefix: str) -> None:
    headers = {"Authorization": prefix + TOKEN}
    for _ in range(2):  # the second time, its fields are known
        answer = sidecar.ask("GET", PATH, headers=headers)
        assert (answer.status, answer.body) == (200, b"secret")


@pytest.mark.parametrize(
    "field", ["", "Basic c2VjcmV0", TOKEN, "Bearer", "Bearer ", f"Bearer:{TOKEN}", f"Bear {TOKEN}"]
)
def test_what_is_no_token_is_refused(sidecar: RunningSidecar, field: str) -> None:
    """It says what to send."""
    said = refusal(sidecar.ask("GET", PATH, headers={"Authorization": field}))
    assert "Authorization: Bearer TOKEN" in said


@pytest.mark.parametrize(
    "token",
    [*("x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f"{TOKEN} x", f"x {TOKEN}"), "\xff" * 18],
)
def test_a_wrong_token_is_said_to_be_wrong(sidecar: RunningSidecar, token: str) -> None:
    """As RFC 6750 has it; no answer repeats it."""
    answer = sidecar.ask("GET", PATH, headers={"Authorization": f"Bearer {token}"})
    said = refusal(answer, ', error="invalid_token"')
    assert "is not the one in force" in said
    assert token not in said or token == "x"


@pytest.mark.parametrize("others", [FIELD, "Authorization: Bearer x", "authorization: Basic x"])
def test_more_than_one_field_is_refused(sidecar: RunningSidecar, others: str) -> None:
    """Whichever is right: two parsers might read another one. It says what is wrong."""
    for fields in ((FIELD, others), (others, FIELD)):
        answer = exchange(sidecar, request("GET", PATH, *fields, CLOSE))
        if b"HTTP/1.1 400" in answer:
            assert "twice" in raw_problem(answer, 400)
        else:
            assert "more than one Authorization" in raw_problem(answer, 401)


def test_every_request_of_a_pipeline_needs_it(sidecar: RunningSidecar) -> None:
    """Also behind one that has it, whose header fields are known by then."""
    good, bad = request("GET", PATH, FIELD), request("GET", PATH)
    wrong = request("GET", PATH, FIELD[:-1] + "x")
    last = request("GET", PATH, CLOSE)
    answer = exchange(sidecar, good + bad + good + wrong + good + last)
    assert statuses(answer) == [200, 401, 200, 401, 200, 401]
    pieces = [good, good, bad, bad, good, wrong, last]
    with socket.create_connection(("127.0.0.1", sidecar.port), PATIENCE_SECONDS) as connection:
        found = []
        for piece in pieces:
            connection.sendall(piece)
            found += statuses(connection.recv(1 << 16))
    assert found == [200, 200, 401, 401, 200, 401, 401]


def test_nothing_is_written_or_deleted_without_it(sidecar: RunningSidecar) -> None:
    """Whatever the form of the body: with a length, in chunks, in pieces, of a megabyte."""
    large = b"x" * (1 << 20)
    put = request("PUT", PATH, "Content-Length: 5", CLOSE, body=b"other")
    chunked = request("PUT", PATH, "Transfer-Encoding: chunked", CLOSE)
    for pieces in (
        (put,),
        (put[:-5], put[-5:]),
        (chunked + b"5\r\nother\r\n0\r\n\r\n",),
        (chunked, b"5\r\nother\r\n", b"0\r\n\r\n"),
        (request("PUT", PATH, f"Content-Length: {len(large)}", body=large),),
        (request("PUT", PATH, f"Content-Length: {len(large)}"), large),
        (request("DELETE", PATH, CLOSE),),
    ):
        assert statuses(exchange(sidecar, *pieces)) == [401], pieces
    open_ended = [put.replace(f"{CLOSE}\r\n".encode(), b""), request("DELETE", PATH)]
    for again in range(2):  # such requests are answered without a task; and now they are known
        for piece in open_ended:
            assert statuses(exchange(sidecar, piece, request("GET", PATH, CLOSE))) == [401, 401], (
                again
            )
    scope = json.dumps({"namespace": "test", "all": True}).encode()
    assert sidecar.ask("POST", "/v1/invalidate", scope).status == 401
    assert sidecar.ask("GET", PATH, headers=BEARER).body == b"secret"


def test_a_body_that_waits_for_a_100_is_not_asked_for(sidecar: RunningSidecar) -> None:
    """The connection ends with the 401, since its client may send the body or not."""
    fields = ("Content-Length: 5", "Expect: 100-continue")
    assert statuses(exchange(sidecar, request("PUT", PATH, *fields))) == [401]
    answer = exchange(
        sidecar, request("PUT", "/v1/cache/test/new", *fields, FIELD, CLOSE), b"value"
    )
    assert statuses(answer)[-1] == 201


def test_a_connection_goes_on_after_a_401(sidecar: RunningSidecar) -> None:
    """If nothing of the body is missing, so that a client can repeat the request with it."""
    put = request("PUT", "/v1/cache/test/again", "Content-Length: 1", body=b"v")
    with_token = request("PUT", "/v1/cache/test/again", "Content-Length: 1", FIELD, body=b"v")
    last = request("GET", "/v1/cache/test/again", FIELD, CLOSE)
    assert statuses(exchange(sidecar, put + with_token + last))[1:] == [201, 200]


def test_the_unix_socket_needs_it_too(sidecar: RunningSidecar) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(sidecar.flags[-1])
        for fields, status in (((), 401), ((FIELD,), 200), ((), 401)):
            connection.sendall(request("GET", PATH, *fields))
            assert statuses(connection.recv(1 << 16)) == [status]


def test_a_page_of_another_site_is_refused_with_it(sidecar: RunningSidecar) -> None:
    """The browser's checks come first, so that it does not learn that there is a token."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert sidecar.ask("GET", PATH, headers=headers).status == 403
    assert sidecar.ask("GET", PATH, headers=headers | BEARER).status == 403


def test_refusals_are_counted(sidecar: RunningSidecar) -> None:
    """As rejected."""
    counter = 'cache_sidecar_requests_total{operation="unknown",protocol="http",result="rejected"}'
    before = sidecar.metrics().get(counter, 0)
    for _ in range(3):
        sidecar.ask("GET", PATH)
    assert sidecar.metrics()[counter] == before + 3


def test_a_new_token_is_in_force_on_open_connections(
    sidecar: RunningSidecar, token_file: Path
) -> None:
    """Also where the header fields are known: what was right before is refused."""
    new = "another-token"

    def status_with(token: str) -> int:
        connection.sendall(request("GET", PATH, f"Authorization: Bearer {token}"))
        return statuses(connection.recv(1 << 16))[0]

    with socket.create_connection(("127.0.0.1", sidecar.port), PATIENCE_SECONDS) as connection:
        assert [status_with(each) for each in (TOKEN, TOKEN, new, new)] == [200, 200, 401, 401]
        token_file.write_text(new)
        wait_until(lambda: status_with(new) == 200, "the new token is in force")
        assert [status_with(each) for each in (new, TOKEN, TOKEN)] == [200, 401, 401]
        token_file.write_text(TOKEN)
        wait_until(lambda: status_with(TOKEN) == 200, "the old token is in force again")
        assert status_with(new) == 401


def test_it_is_described(sidecar: RunningSidecar) -> None:
    """Every call but those of the console's files answers 401."""
    document = json.loads(sidecar.ask("GET", "/openapi.json", headers=BEARER).body)
    for path, methods in document["paths"].items():
        for described in methods.values():
            assert ("401" in described["responses"]) == (path not in PUBLIC), path
