"""A pod of two containers, as the kubelet creates it: they share only a network namespace, and the
sidecar's has at least the restrictions of the Pod Security Standard *restricted*.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench.processes import pss
from tests.documents.kubelet import Mount
from tests.image.building import run
from tests.running import wait_until

MEMORY_BYTES = 160 << 20
CACHE = {"cache.yaml": "tiers: {l1: {max_bytes: 10MiB}, l2: {max_bytes: 30MiB}}"}
TIERS_BYTES = 40 << 20
LIMITS = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=1024:1024", "--timeout=900")
RESTRICTED = (
    *("--read-only", "--read-only-tmpfs=false"),
    *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
    f"--memory={MEMORY_BYTES}",
)
CONFIG, DATA = "/etc/cache-sidecar", "/var/lib/cache-sidecar"
ASK = """
import json, sys, urllib.error, urllib.request
method, url, *body = sys.argv[1:]
request = urllib.request.Request(url, body[0].encode() if body else None, method=method)
try:
    answer = urllib.request.urlopen(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
except OSError:
    print("null")
    sys.exit()
print(json.dumps([answer.status, dict(answer.headers), answer.read().decode()]))
"""
NOTE_WHEN_READY = """
import time, urllib.request
now = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
give_up = now() + 30
while now() < give_up:
    try:
        urllib.request.urlopen("http://127.0.0.1:7071/readyz").close()
    except OSError:
        time.sleep(0.005)
    else:
        print(now())
        break
"""
SLEEP = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); signal.pause()"


def podman(*arguments: str) -> str:
    return run("podman", "--runtime=runc", "--cgroup-manager=cgroupfs", *arguments)


@dataclass(frozen=True)
class Container:
    id: str

    def exec(self, *command: str) -> str:
        return podman("exec", self.id, *command)

    def python(self, program: str, *arguments: str) -> str:
        return self.exec("python3", "-c", program, *arguments)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(podman("inspect", "--format={{json .State}}", self.id))
        return state

    def logs(self) -> str:
        return podman("logs", self.id)

    def stop(self, patience_seconds: int = 10) -> int:
        """SIGTERM, then SIGKILL after a timeout, like the kubelet; returns the status."""
        podman("stop", f"--time={patience_seconds}", self.id)
        return int(self.state()["ExitCode"])

    def remove(self) -> None:
        podman("rm", "--force", "--time=0", self.id)


class Pod:
    """The application's container, and the sidecar's, which can be stopped and started."""

    def __init__(self, image: str, application: str, folder: Path) -> None:
        self._image = image
        self.config = Mount(folder / "config")
        self.config.publish(CACHE)
        self._data = folder / "data"
        self._data.mkdir()
        self._data.chmod(0o777)  # as an emptyDir is
        self.application = Container(
            podman(
                "run", "--detach", "--network=none", *LIMITS, application, "python3", "-c", SLEEP
            )
        )
        self.sidecar: Container | None = None

    def start(self, *options: str) -> Container:
        """Start a new sidecar on the same volumes; `options` are podman's."""
        self.sidecar = Container(
            podman(
                *("run", "--detach", f"--network=container:{self.application.id}"),
                *(*LIMITS, *RESTRICTED),
                *(f"--volume={self.config.path}:{CONFIG}:ro", f"--volume={self._data}:{DATA}"),
                *(*options, self._image, "serve", "--config", CONFIG),
            )
        )
        return self.sidecar

    def start_ready(self) -> Container:
        container = self.start()
        wait_until(lambda: self.ready, "the sidecar in the pod is ready")
        return container

    def start_seconds(self) -> float:
        """Start a sidecar; returns the seconds from its process to readiness."""
        with ThreadPoolExecutor(1) as executor:
            ready_at = executor.submit(self.application.python, NOTE_WHEN_READY)
            began_at = _started_at(self.start().state()["Pid"])
            return float(ready_at.result()) - began_at

    @property
    def ready(self) -> bool:
        assert self.sidecar
        assert self.sidecar.state()["Running"], self.sidecar.logs()
        answer = self.ask("GET", "http://127.0.0.1:7071/readyz")
        return answer is not None and answer[0] == 200

    def ask(self, method: str, url: str, body: str = "") -> tuple[int, dict[str, str], str] | None:
        """A request from the application: status, headers, body. None if no process listens."""
        answer = json.loads(self.application.python(ASK, method, url, *([body] if body else [])))
        return answer and tuple(answer)

    def cache(self, method: str, path: str, body: str = "") -> tuple[int, dict[str, str], str]:
        """A request to the data API, which must answer."""
        answer = self.ask(method, f"http://127.0.0.1:7070/v1/{path}", body)
        assert answer is not None
        return answer

    def processes(self) -> list[psutil.Process]:
        """The sidecar's process, and that of L3."""
        assert self.sidecar
        main = psutil.Process(self.sidecar.state()["Pid"])
        return [main, *main.children(recursive=True)]

    def idle_bytes(self) -> int:
        return sum(pss(process.pid) for process in self.processes())

    def remove(self) -> None:
        for container in (self.sidecar, self.application):
            if container:
                container.remove()


def _started_at(pid: int) -> float:
    """Seconds since boot, with the kernel's resolution of a hundredth."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    return int(after_name.split()[19]) / os.sysconf("SC_CLK_TCK")
