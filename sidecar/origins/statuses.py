"""What the status of a response means to a cache that asked with an unconditional GET, or with a
conditional one. Ranges, other methods and protocols are never asked for.
"""

from __future__ import annotations

from typing import Literal

Meaning = Literal["value", "not_modified", "negative", "redirect", "other", "failure", "unusable"]
"""
- `value`: the value of the key.
- `not_modified`: the value that the validators name is the current one.
- `negative`: the origin has no value (404, 410).
- `redirect`: the value is elsewhere.
- `other`: an answer to whoever asked, that says nothing about the key, such as 403.
- `failure`: the origin fails, or has too much to do.
- `unusable`: an answer to what was not asked: a success without a value (204), a part of one (206),
  or a 304 without validators.
"""

_REDIRECTS = frozenset((301, 302, 303, 307, 308))


def meaning_of(status: int, *, conditional: bool) -> Meaning:
    """RFC 9110, section 15."""
    if status == 200:
        return "value"
    if status == 304 and conditional:
        return "not_modified"
    if status in (404, 410):
        return "negative"
    if status in _REDIRECTS:
        return "redirect"
    if status == 429 or 500 <= status < 600:
        return "failure"
    return "other" if 400 <= status < 500 else "unusable"
