"""The one place that wires everything, and starts and stops it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from sidecar.app.actuators import Actuators
from sidecar.app.announcements import News
from sidecar.catalogue import CATALOGUE, Catalogue
from sidecar.config.document import parse
from sidecar.config.errors import UnreadableFolderError
from sidecar.control import Control, remembered
from sidecar.documents import following
from sidecar.documents.documents import Documents
from sidecar.http.admin import AdminApi, table
from sidecar.http.batch import BatchApi
from sidecar.http.console import Console
from sidecar.http.data import EntryApi
from sidecar.http.ops import Readiness, ops_table
from sidecar.http.optimizer import OptimizerApi, described_knobs
from sidecar.http.server import Server
from sidecar.http.signals import SignalsApi
from sidecar.kube.settings import KubeSettings
from sidecar.kube.trouble import CredentialsError
from sidecar.model.announcement import Announcement
from sidecar.model.stats import RequestStats
from sidecar.optimizer.engine import Engine
from sidecar.process.cgroup import ControlGroup
from sidecar.process.garbage import Collections
from sidecar.process.runtime import Runtime
from sidecar.serving.admission import Admission
from sidecar.serving.socket_file import SocketFile
from sidecar.signals.history import History
from sidecar.signals.sampler import Sampler
from sidecar.signals.sources import Sources
from sidecar.store.snapshot import snapshot
from sidecar.store.store import Store
from sidecar.store.upkeep import upkeep
from sidecar.store.warming import keep_saving, save, warm
from sidecar.telemetry import metrics
from sidecar.tiers.disk import State
from sidecar.tiers.memory import MMAP_THRESHOLD_BYTES
from sidecar.tiers.process import DiskProcess

if TYPE_CHECKING:
    from sidecar.documents.api import Api

DRAIN_SECONDS = 0.5
"""How long open requests get to finish once the sidecar stops; with L3's part, 1.5 s in all."""
RESTART_SECONDS = 1.0
"""Before a background task that failed is started again."""

log = structlog.get_logger("sidecar.app")


class StartError(Exception):
    """The sidecar can't start; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the process: what needs a restart. Binds are (host, port)."""

    data_bind: tuple[str, int]
    data_socket: Path | None
    ops_bind: tuple[str, int]
    data_dir: Path
    data_limit: int | None
    linger_seconds: float
    config: Path | None
    kube: KubeSettings | None = None


class Sidecar:
    """A running sidecar, from `start` to `stop`."""

    def __init__(
        self, settings: Settings, runtime: Runtime, catalogue: Catalogue = CATALOGUE
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._runtime = runtime
        self._clock = time.time
        parse_here = partial(
            parse,
            vocabulary=catalogue.vocabulary,
            memory_limit_bytes=ControlGroup().memory_limit_bytes(),
            data_limit_bytes=settings.data_limit,
        )
        self.documents = Documents(self._clock, parse_here, settings.data_dir, self._tell)
        self._api: Api | None = None
        self._admissions = {"http": Admission(RequestStats()), "ops": Admission(RequestStats())}
        self._process = DiskProcess(settings.data_dir, settings.data_limit)
        self._collections = Collections()
        self._stopping = False
        self._runners: list[web.BaseRunner] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._disk_task: asyncio.Task[None] | None = None
        self._socket: SocketFile | None = None
        self.ports: dict[str, int] = {}
        """Of the data API (`http`) and of the ops API (`ops`): where 0 was asked for, any free."""
        self.store: Store
        self.actuators: Actuators
        self.control: Control

    # ---- start

    async def start(self) -> None:
        """Listen, start L3, take the configuration, begin what runs in the background.

        Raises StartError; nothing is left running then once `stop` has been awaited.
        """
        await self._take_first()
        self.store = Store(
            self._clock,
            self.documents.document.cache,
            self._catalogue.policies.make_for,
            self._catalogue.policies.scores,
            self._process.wake,
        )
        self.control = await self._connect_optimizer()
        await self._listen()
        self.actuators = Actuators(
            self.store, self._process, self._admissions["http"], self._runtime
        )
        self.control.begin(self.actuators.put_in_force, self.actuators.perform)
        self._disk_task = self._keep("l3", lambda: self.store.run_l3(self._process.run))
        self._keep("upkeep", lambda: upkeep(self.store))
        self._collections.watch()
        self._keep("optimizer", self.control.run)
        data_dir = self._settings.data_dir
        self._keep("warming", lambda: warm(self.store, data_dir), once=True)
        self._keep("hot keys", lambda: keep_saving(self.store, data_dir))
        self._follow_sources()

    async def _listen(self) -> None:
        batch = BatchApi(self.store, self._clock)
        admin = AdminApi(self.store, self._clock, self._describe_config)
        signals = SignalsApi(self.control.history, wall=self._clock)
        others = table(batch, admin, OptimizerApi(self.control), signals)
        entries = EntryApi(self.store, self._clock, Console(others))
        data = Server("http", entries, self._admissions["http"])
        registered = metrics.registry(
            lambda: snapshot(self.store),
            self.documents.report,
            self._report_process,
            {name: admission.stats for name, admission in self._admissions.items()},
            self.control,
        )
        ops = Server(
            "ops",
            ops_table(partial(metrics.render, registered), self._readiness),
            self._admissions["ops"],
        )
        self.ports = {
            "http": await self._bind(data, self._settings.data_bind, "--data-bind"),
            "ops": await self._bind(ops, self._settings.ops_bind, "--ops-bind"),
        }
        if self._settings.data_socket is not None:
            await self._bind_socket(data, self._settings.data_socket)

    async def _connect_optimizer(self) -> Control:
        """The engine with what an earlier process has kept, and what it looks at and turns."""
        data_dir, history = self._settings.data_dir, History(self._catalogue.signals)
        memory = await asyncio.to_thread(remembered, data_dir)
        document = self.documents.document
        engine = Engine(document, memory, time.monotonic(), self._clock(), self._catalogue.knobs)
        return Control(
            engine,
            Sampler(history, self._sources()),
            history,
            look=lambda: snapshot(self.store),
            data_dir=data_dir,
            wall=self._clock,
        )

    def _sources(self) -> Sources:
        """What signals are read from."""
        return Sources(
            look=lambda: snapshot(self.store),
            requests=self._admissions["http"].stats,
            connections=lambda: self._admissions["http"].connections,
            collections=self._collections,
            pids=self._pids,
            data_dir=self._settings.data_dir,
            group=ControlGroup(),
        )

    def _pids(self) -> dict[str, int]:
        child = self._process.pid
        return {"main": os.getpid()} | ({} if child is None else {"l3": child})

    async def _bind(self, server: Server, bind: tuple[str, int], flag: str) -> int:
        host, port = bind
        runner = await self._runner(server)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise StartError(
                f"{host}:{port} can't be listened on ({_why(error)}): end what uses it, "
                f"or choose another address with {flag}"
            ) from None
        return int(runner.addresses[0][1])

    async def _bind_socket(self, server: Server, path: Path) -> None:
        """Listen on a Unix socket, in place of one that a predecessor has left."""
        file = SocketFile(path)
        try:
            file.clear()
            await web.UnixSite(await self._runner(server), str(path)).start()
            file.taken()
            self._socket = file
        except OSError as error:
            raise StartError(f"--data-socket {path}: {error.strerror}") from None

    async def _runner(self, server: Server) -> web.BaseRunner:
        # aiohttp waits twice: for the handler, and once more when it has cut its body off.
        runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS / 2)
        await runner.setup()
        self._runners.append(runner)
        return runner

    # ---- the configuration

    async def _take_first(self) -> None:
        """Start with what is there at once; the API is asked later, and its answer applied then."""
        path, kube = self._settings.config, self._settings.kube
        if kube is not None:
            # Imported here, since it loads the official client, which nobody else needs.
            from sidecar.documents.api import Api  # noqa: PLC0415

            try:
                self._api = Api(kube, self.documents)
            except CredentialsError as error:
                raise StartError(f"--configmap {kube.name}: {error}") from None
        if path is not None or kube is not None:
            await self.documents.recall()
        if path is not None:
            try:
                await following.start_with(self.documents, path)
            except UnreadableFolderError as error:
                raise StartError(f"--config {error}") from None

    def _follow_sources(self) -> None:
        self.documents.begin(self.control.configure)
        path, api = self._settings.config, self._api
        if path is not None:
            leading = api is None
            self._keep("folder", lambda: following.follow(self.documents, path, leading=leading))
        if path is not None or api is not None:
            self._keep("kept document", self.documents.keep_saving)
        if api is not None:
            for name, task in api.tasks.items():
                self._keep(name, task)
            news = News(lambda: self._process.trouble, self.control.engine)
            self._keep("news", lambda: news.tell(api.tell))

    def _tell(self, happening: Announcement) -> None:
        if self._api is not None:
            self._api.tell(happening)

    def _describe_config(self) -> dict[str, Any]:
        return {
            **self.documents.describe(),
            "effective": self.control.engine.effective.cache,
            "knobs": described_knobs(self.control.engine),
        }

    # ---- what others ask

    def _readiness(self) -> Readiness:
        notes = []
        trouble = self._process.trouble
        state = self.store.l3_state
        if state is State.OPENING:
            notes.append("L3 is being opened.")
        elif state is State.DOWN and trouble is not None:
            notes.append(f"L3 is down ({trouble.reason}): {trouble.message}.")
            if not trouble.marked:
                notes.append("After a restart L3 may give values that were replaced meanwhile.")
        notes += self.documents.notes()
        if self._api is not None:
            notes += self._api.notes()
        if self._stopping:
            notes.append("Stopping.")
        return Readiness(not self._stopping and self.store.started, notes)

    def _report_process(self) -> metrics.ProcessReport:
        return metrics.ProcessReport(
            version=version("cache-sidecar"),
            l3_pid=self._process.pid,
            l3_restarts=self._process.restarts,
            connections={name: each.connections for name, each in self._admissions.items()},
        )

    # ---- stop

    def begin_stopping(self) -> None:
        """Fail `/readyz`, and serve on."""
        self._stopping = True

    async def stop(self, *, hurry: asyncio.Event) -> None:
        """Finish open requests, write out, end. `hurry` cuts the waits short."""
        await _unless(hurry, asyncio.gather(*(runner.cleanup() for runner in self._runners)))
        for task in self._tasks - {self._disk_task}:
            task.cancel()
        await asyncio.gather(*self._tasks - {self._disk_task}, return_exceptions=True)
        if self._api is not None:
            await self._api.close()
        if self._disk_task is not None:
            self._collections.close()
            await _unless(hurry, self.control.close())
            if not hurry.is_set():
                await _unless(hurry, save(self.store, self._settings.data_dir))
            await self._process.stop(self._disk_task, hurry)
        if self._socket is not None:
            self._socket.remove()

    def _keep(
        self, name: str, run: Callable[[], Awaitable[object]], *, once: bool = False
    ) -> asyncio.Task[None]:
        """Run a background task, and run it again should it fail."""

        async def kept() -> None:
            while True:
                try:
                    await run()
                except Exception:
                    log.exception("A background task failed and is started again", task=name)
                else:
                    return
                if once:
                    return
                await asyncio.sleep(RESTART_SECONDS)

        task = asyncio.create_task(kept(), name=name)
        self._tasks.add(task)
        return task


async def run(
    settings: Settings, on_started: Callable[[], None], catalogue: Catalogue = CATALOGUE
) -> None:
    """Serve until SIGTERM or SIGINT; a second one hurries. Raises StartError."""
    runtime = Runtime()
    runtime.begin(mmap_threshold_bytes=MMAP_THRESHOLD_BYTES)
    loop = asyncio.get_running_loop()
    asked, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if asked.is_set() else asked).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    sidecar = Sidecar(settings, runtime, catalogue)
    try:
        await sidecar.start()
        runtime.freeze()
        on_started()
        await asked.wait()
        sidecar.begin_stopping()
        log.info("Stopping", linger_seconds=settings.linger_seconds)
        await _unless(hurry, asyncio.sleep(settings.linger_seconds))
    finally:
        await sidecar.stop(hurry=hurry)


def _why(error: OSError) -> str:
    """The reason alone: event loops add the address to it. Resolvers have numbers of their own."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


async def _unless(hurry: asyncio.Event, work: Awaitable[Any]) -> None:
    """Await `work`, but no longer than until somebody is in a hurry."""
    tasks = {asyncio.ensure_future(work), asyncio.ensure_future(hurry.wait())}
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
