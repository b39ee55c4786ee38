"""A token: how it is compared, and what a file with one may hold."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sidecar.serving.token import MOST_BYTES, Token, TokenFileError, read_token

SECRET = b"s3cr3t-of-the-shop"


def test_only_the_token_matches() -> None:
    token = Token(SECRET)
    assert token.matches(SECRET)
    for other in (b"", SECRET[:-1], SECRET + b"x", SECRET.upper(), SECRET * 2, b"\xff"):
        assert not token.matches(other)


def test_a_replaced_token_matches_no_more() -> None:
    """Its digest differs, so that nobody can take one for the other."""
    token = Token(SECRET)
    before = token.digest
    token.replace(b"another")
    assert token.matches(b"another")
    assert not token.matches(SECRET)
    assert token.digest != before


def test_nothing_of_it_is_kept() -> None:
    """A dump of the memory's objects has a digest by a key that is made for each process."""
    tokens = Token(SECRET), Token(SECRET)
    assert tokens[0].digest != tokens[1].digest
    assert SECRET not in tokens[0].digest
    assert SECRET.decode() not in repr(tokens[0])


@pytest.mark.parametrize("around", [b"%b", b"%b\n", b"%b\r\n", b" \t\n%b \n\n"])
def test_white_space_around_it_is_none_of_it(tmp_path: Path, around: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(around % SECRET)
    assert read_token(path) == SECRET


@pytest.mark.parametrize("token", [b"x", b"!~", b"x" * MOST_BYTES])
def test_any_visible_ascii_may_be_in_it(tmp_path: Path, token: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(token + b"\n")
    assert read_token(path) == token


WRONG = {
    "nothing": b"",
    "only white space": b" \n\t\n",
    "two tokens": SECRET + b"\n" + SECRET,
    "a space in it": SECRET + b" x",
    "a zero": SECRET + b"\0",
    "a letter that is not ASCII": SECRET + "é".encode(),
    "what is no text": SECRET + b"\xff",
    "one byte too much": b"x" * (MOST_BYTES + 1),
    "a gigabyte of white space": SECRET + b"\n" * (1 << 20),
}


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_refused(tmp_path: Path, name: str) -> None:
    """In one line that begins with the path, says what to do, and has nothing of the content."""
    path = tmp_path / "token"
    path.write_bytes(WRONG[name])
    said = refusal(path)
    assert "write" in said
    assert SECRET.decode() not in said


def refusal(path: Path) -> str:
    with pytest.raises(TokenFileError) as refused:
        read_token(path)
    said = str(refused.value)
    assert said.startswith(f"{path} ")
    assert "\n" not in said
    return said


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nor anything else that is no file; neither is read."""
    pipe, folder, listening = tmp_path / "pipe", tmp_path / "folder", tmp_path / "socket"
    os.mkfifo(pipe)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listening))
        for path in (pipe, folder, listening, Path("/dev/zero"), Path("/dev/null")):
            refusal(path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """And a link to nowhere, or to itself."""
    dangling, loop = tmp_path / "dangling", tmp_path / "loop"
    dangling.symlink_to("nowhere")
    loop.symlink_to("loop")
    for path in (tmp_path / "missing", dangling, loop):
        assert "cannot be read" in refusal(path)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(SECRET)
    open_before = [*Path("/proc/self/fd").iterdir()]
    for _ in range(20):
        read_token(path)
        refusal(tmp_path)
    assert len([*Path("/proc/self/fd").iterdir()]) == len(open_before)
