"""The claim to a folder: one process at a time, however the one before has ended."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sidecar.process.claim import Claim, FolderInUseError
from tests.running import wait_until

HOLD = """
import sys, time
from pathlib import Path
from sidecar.process.claim import Claim

claim = Claim(Path(sys.argv[1]))
print(claim.take(), flush=True)
time.sleep(60)
"""


def test_one_process_has_it_until_it_is_killed(tmp_path: Path) -> None:
    """Nothing is saved without it."""
    other = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"True\n"
    claim = Claim(tmp_path)
    assert not claim.take()
    assert not claim.held
    with pytest.raises(FolderInUseError, match="in use by another process"):
        claim.save(tmp_path / "a.state", b"data")
    assert list(tmp_path.iterdir()) == []
    other.kill()
    other.wait()
    other.stdout.close()
    wait_until(claim.take, "it can be taken")
    claim.save(tmp_path / "a.state", b"data")
    assert claim.held
    assert claim.take()
    claim.release()
    assert not claim.held


def test_a_folder_is_created_for_its_owner_alone(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "not" / "there")
    assert claim.take()
    assert (tmp_path / "not" / "there").stat().st_mode & 0o777 == 0o700
    claim.release()


def test_a_file_cannot_be_claimed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="exists"):
        Claim(tmp_path / "file").take()


def test_what_is_saved_first_claims_the_folder(tmp_path: Path) -> None:
    """The document is kept before L3's process is started, which claims it too."""
    claim = Claim(tmp_path / "data")
    claim.save(tmp_path / "data" / "a.state", b"")
    assert claim.held
    with pytest.raises(FolderInUseError):
        Claim(tmp_path / "data").save(tmp_path / "data" / "b.state", b"")
    claim.release()


def test_threads_that_claim_at_once_do_not_refuse_each_other(tmp_path: Path) -> None:
    """They are of one process."""
    for number in range(50):
        claim, taken = Claim(tmp_path / str(number)), list[bool]()
        start = threading.Barrier(4)

        def take(
            claim: Claim = claim, taken: list[bool] = taken, start: threading.Barrier = start
        ) -> None:
            start.wait()
            taken.append(claim.take())

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert taken == [True] * 4
        claim.release()
