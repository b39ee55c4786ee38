"""The threat model names a test for all that it says holds, and a reason for what does not."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contracts.pages import ROOT, code, every_page, read, table

ATTACKERS = {
    "another container of the pod",
    "another pod",
    "a web page, by a port-forward or rebinding",
    "a hostile ConfigMap",
    "an origin",
    "a hostile volume",
}
TEST = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")


def test_every_claim_has_a_test() -> None:
    """For each attacker."""
    rows = table(read("docs/security.md"), "attacker | what holds")
    assert {attacker for attacker, _, _ in rows} == ATTACKERS
    for attacker, claim, tests in rows:
        named = code(tests)
        assert named, (attacker, claim)
        assert all(TEST.fullmatch(name) for name in named), (attacker, claim)


def test_what_does_not_hold_has_a_reason() -> None:
    rows = table(read("docs/security.md"), "attacker | can")
    assert {attacker for attacker, _, _ in rows} == ATTACKERS
    assert all(can and reason for _, can, reason in rows)


@every_page
def test_the_tests_that_a_page_names_exist(page: Path) -> None:
    """The files, and the functions in them."""
    for name in code(page.read_text()):
        if (found := TEST.fullmatch(name)) is not None:
            file, function = found.groups()
            assert (ROOT / file).is_file(), name
            assert function is None or f"def {function}(" in (ROOT / file).read_text(), name
