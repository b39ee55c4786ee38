"""Every attack on the volume, on the names that begin so: `python -m tests.hostile [NAME...]`.

Prints a line for each, and ends with status 1 if something did not hold. All of them take half an
hour.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.hostile.volume import DAMAGES, SEED, Volume


def main(wanted: tuple[str, ...]) -> int:
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        volume = Volume(Path(folder))
        print(f"seed {SEED}, names {', '.join(volume.names)}", flush=True)  # noqa: T201
        for name in volume.names:
            for damage in DAMAGES:
                if not (name.startswith(wanted) and volume.can_be(name, damage)):
                    continue
                try:
                    result = f"{volume.attack(name, damage) >> 20} MiB"
                except (AssertionError, OSError) as error:
                    failures += 1
                    result = f"FAILED {str(error)[-2000:]}"
                print(f"{name}: {damage}: {result}", flush=True)  # noqa: T201
    print(f"{failures} failures")  # noqa: T201
    return min(1, failures)


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:]) or ("",)))
