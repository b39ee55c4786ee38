"""The token that clients have to send, for any protocol; and the file that holds it.

No message, no log and no answer has a token in it, be it the right one or a wrong one.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from pathlib import Path

MOST_BYTES = 1024
_MOST_FILE_BYTES = 4 * MOST_BYTES
"""Of a file: a token, and white space around it."""
_VISIBLE = re.compile(rb"[!-~]+")
FORM = f"1 to {MOST_BYTES:,} visible ASCII characters without spaces"


class TokenFileError(Exception):
    """The file holds no token. The message begins with its path, and says what to do."""


class Token:
    """What clients have to send. It may be replaced while they are connected.

    A keyed digest of it is kept and compared, so that the time tells neither its length nor how
    much of it somebody has found.
    """

    __slots__ = ("_key", "digest")

    def __init__(self, text: bytes) -> None:
        self._key = secrets.token_bytes(32)
        self.digest = b""
        """Another one for each token."""
        self.replace(text)

    def replace(self, text: bytes) -> None:
        self.digest = self._digest_of(text)

    def matches(self, given: bytes) -> bool:
        return hmac.compare_digest(self._digest_of(given), self.digest)

    def _digest_of(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, "sha256")


def read_token(path: Path) -> bytes:
    """The token in a file, without white space around it. Blocks. Raises TokenFileError.

    Links are followed: Kubernetes mounts a Secret as links, and replaces one of them.
    """
    try:
        # Without O_NONBLOCK, opening a pipe without a writer would block forever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise TokenFileError(f"{path} is no regular file; write the token into a file")
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(_MOST_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TokenFileError(
            f"{path} cannot be read ({reason}); write the token into it, for this process to read"
        ) from None
    token = data.strip()
    if not token:
        raise TokenFileError(f"{path} is empty; write a token into it, of {FORM}")
    if len(data) > _MOST_FILE_BYTES or len(token) > MOST_BYTES:
        raise TokenFileError(f"{path} holds too much; write one token into it, of {FORM}")
    if _VISIBLE.fullmatch(token) is None:
        raise TokenFileError(f"{path} does not hold one token; write one into it, of {FORM}")
    return token
