"""Statuses, and what they mean for a key."""

from __future__ import annotations

import pytest

from sidecar.origins.statuses import meaning_of


@pytest.mark.parametrize(
    ("meaning", "statuses"),
    [
        ("value", (200,)),
        ("negative", (404, 410)),
        ("redirect", (301, 302, 303, 307, 308)),
        ("failure", (429, 500, 501, 502, 503, 504, 505, 599)),
        ("other", (400, 401, 403, 405, 406, 408, 412, 416, 418, 451, 499)),
        ("unusable", (100, 101, 199, 201, 202, 203, 204, 205, 206, 299, 300, 305, 306, 399, 600)),
    ],
)
def test_each_status_has_one_meaning(meaning: str, statuses: tuple[int, ...]) -> None:
    """Whether the request was conditional or not; but for 304, which answers such requests only."""
    for status in statuses:
        assert meaning_of(status, conditional=False) == meaning
        assert meaning_of(status, conditional=True) == meaning
    assert meaning_of(304, conditional=True) == "not_modified"
    assert meaning_of(304, conditional=False) == "unusable"
