"""The image: its size, and the time from the start of a sidecar's process to ready, in a pod.

    python -m tests.bench.image [STARTS]

The first start is on an empty volume, the others on the volume of the previous one. On a busy
machine, use the processor time: a start waits for nothing else.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.bench.load import say
from tests.image import building
from tests.image.pod import Pod

MIB = 1 << 20


def run(starts: int = 11) -> None:
    if hindrance := building.hindrance():
        sys.exit(f"the image can't be built here: {hindrance}")
    image = building.build()
    size = int(building.run("podman", "image", "inspect", "--format={{.Size}}", image))
    say(f"size: {size / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory() as folder:
        pod = Pod(image, building.base(), Path(folder))
        try:
            seconds, processor = zip(*(start(pod) for _ in range(starts)), strict=True)
            say(
                f"ready after {median(seconds):.2f} s, the median of {starts} starts; "
                f"the quickest {min(seconds):.2f}, the slowest {max(seconds):.2f} (at most 1.5); "
                f"processor time {median(processor):.2f} s"
            )
        finally:
            pod.remove()


def start(pod: Pod) -> tuple[float, float]:
    """A start and an orderly stop; seconds until ready, and of processor time."""
    seconds = pod.start_seconds()
    assert pod.sidecar
    times = [process.cpu_times() for process in pod.processes()]
    processor = sum(time.user + time.system for time in times)
    say(f"  {seconds:.2f} s, processor {processor:.2f} s, {pod.idle_bytes() / MIB:.1f} MiB")
    pod.sidecar.stop()
    pod.sidecar.remove()
    return seconds, processor


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
