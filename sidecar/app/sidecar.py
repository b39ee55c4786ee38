"""The wiring: every part is built with what it needs, in the order of the layers, then started.

It has more than 300 lines, since one pass through the parts is easier to follow than several.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sidecar.api.state import PROTOCOLS, CacheSettings, Configuration, ProtocolState
from sidecar.app.actuators import Actuators
from sidecar.app.announcements import Announcer
from sidecar.app.listeners import Listeners, data_limits
from sidecar.app.memory import keep_within_limit, refuse_too_little
from sidecar.app.readiness import ReadinessCheck
from sidecar.app.settings import Settings, StartError
from sidecar.app.tasks import attempt, cancel, supervise, unless_hurried
from sidecar.app.token_file import TokenFile
from sidecar.catalogue import CATALOGUE, Catalogue
from sidecar.config.document import parse
from sidecar.config.errors import UnreadableFolderError
from sidecar.config.limits import fits
from sidecar.config.origins import OriginConfig
from sidecar.config.values import Document
from sidecar.control import Control, remembered, usable
from sidecar.documents import following
from sidecar.documents.documents import Documents
from sidecar.http.admin import AdminApi
from sidecar.http.authorization import Authorization
from sidecar.http.batch import BatchApi
from sidecar.http.browsers import refuse_cross_site
from sidecar.http.console import Console
from sidecar.http.data import EntryApi
from sidecar.http.direct import DirectEntries
from sidecar.http.openapi import Description
from sidecar.http.ops import OpsApi
from sidecar.http.optimizer import OptimizerApi, described_knobs, in_shape
from sidecar.http.routes import DATA, OPS, DataApi
from sidecar.http.routing import Table
from sidecar.http.server import Server
from sidecar.http.signals import SignalsApi
from sidecar.http.warming import WarmingApi
from sidecar.kube.settings import KubeSettings
from sidecar.kube.trouble import CredentialsError
from sidecar.l3.folder import FOLDER
from sidecar.l3.witness import last_write
from sidecar.loading.loader import Loader
from sidecar.model.announcement import Announcement
from sidecar.model.snapshot import Snapshot
from sidecar.model.stats import RequestStats
from sidecar.optimizer.decisions import SavedState
from sidecar.optimizer.engine import Engine
from sidecar.origins.checking import find_fault
from sidecar.origins.origin import Origin
from sidecar.origins.own import OwnListeners
from sidecar.process.cgroup import ControlGroup
from sidecar.process.claim import Claim
from sidecar.process.garbage import Collections
from sidecar.process.runtime import Runtime
from sidecar.resp import commands as resp_commands
from sidecar.resp.listener import Listener
from sidecar.resp.service import Service
from sidecar.serving.admission import Admission
from sidecar.serving.budget import OPS_BYTES, Budget
from sidecar.serving.limits import OPS_LIMITS
from sidecar.serving.token import Token, TokenFileError, read_token
from sidecar.signals.history import History
from sidecar.signals.sampler import Sampler
from sidecar.signals.sources import Sources
from sidecar.store.snapshot import snapshot
from sidecar.store.store import Client, Store
from sidecar.store.upkeep import upkeep
from sidecar.store.warming import keep_saving, save, warm
from sidecar.telemetry import metrics
from sidecar.tiers.process import DiskProcess
from sidecar.warmers.running import Runner
from sidecar.warmers.warmers import Warmers

if TYPE_CHECKING:
    from sidecar.documents.api import Api


async def prepare(
    settings: Settings, runtime: Runtime, catalogue: Catalogue = CATALOGUE
) -> Sidecar:
    """A sidecar that can be started, with the document to start with and what an earlier process
    has kept. Raises StartError.
    """
    api = None if settings.kube is None else _api(settings.kube)
    group = ControlGroup()
    refuse_too_little(group.memory_limit_bytes())

    def parse_here(texts: Mapping[str, str]) -> Document:
        return parse(
            texts,
            vocabulary=vocabulary,
            memory_limit_bytes=group.memory_limit_bytes(),
            data_limit_bytes=settings.data_limit,
        )

    vocabulary = replace(
        catalogue.vocabulary_within(settings.reach), origin_fault=_origin_check(settings)
    )
    announce = _unannounced if api is None else api.announce
    token = await _token(settings)
    claim = Claim(settings.data_dir)
    documents = Documents(time.time, parse_here, settings.data_dir, announce, claim.save)
    await _take_first(documents, settings)
    saved = await asyncio.to_thread(remembered, settings.data_dir)
    last_seq = await asyncio.to_thread(last_write, settings.data_dir / FOLDER)
    return Sidecar(
        settings,
        runtime,
        catalogue,
        claim=claim,
        last_seq=last_seq,
        documents=documents,
        saved=saved,
        api=api,
        token=token,
    )


class Sidecar:
    """A running sidecar, from `start` to `stop`."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime,
        catalogue: Catalogue,
        *,
        claim: Claim,
        last_seq: int,
        documents: Documents,
        saved: SavedState,
        api: Api | None,
        token: Token | None,
    ) -> None:
        """See `prepare`."""
        self._settings = settings
        self._claim = claim
        self._clock = time.time
        self.documents = documents
        self._api = api
        self._follower = None if api is None else api.follower(documents)
        self._collections = Collections()
        self._group = ControlGroup()
        self.budget = Budget()
        self.admissions = {
            "http": Admission(RequestStats(), data_limits(), self.budget),
            "ops": Admission(RequestStats(), OPS_LIMITS, Budget(OPS_BYTES)),
            "resp": Admission(RequestStats(), data_limits(), self.budget),
        }
        policies, cache = catalogue.policies, documents.document.cache
        disk = Client(self._clock)
        self.store = Store(
            self._clock, cache, policies.make_for, policies.scores, disk, spare=self.budget
        )
        self.store.number_after(last_seq)
        self.loader = Loader(self.store, self._make_origin, self._clock)
        self.l3 = DiskProcess(disk, claim, settings.data_limit)
        self.actuators = Actuators(
            self.store, self.l3, [self.admissions[name] for name in PROTOCOLS], runtime
        )
        if missing := catalogue.one_shots.keys() - self.actuators.one_shots.keys():
            raise ValueError(f"nothing makes the one-shot changes {', '.join(sorted(missing))}")
        self.control = self._control(catalogue, saved)
        readers = [self.admissions[name].stats for name in PROTOCOLS]
        runner = Runner(
            self.store, catalogue.sources, settings.reach, stats=readers, memory=self.budget
        )
        self.warmers = Warmers(runner, self.store, self._clock)
        self.warmers.configure(documents.document.warmers)
        others = [] if self._follower is None else [self._follower.notes]
        self._token, self._token_file = token, None
        if token is not None and settings.token_file is not None:
            self._token_file = TokenFile(settings.token_file, token)
            others.append(self._token_file.notes)
        notes = [documents.notes, *others, self._notes_of_listeners]
        self._readiness = ReadinessCheck(self.store, self.l3, notes)
        self.resp = Service(
            self.store, self._clock, self.admissions["resp"], resp_commands.ALL, token
        )
        self._listeners = Listeners(
            settings, self._data_server(), self._ops_server(), Listener(self.resp)
        )
        self._tasks: set[asyncio.Task[object]] = set()
        self._l3_task: asyncio.Task[None] | None = None

    @property
    def ports(self) -> dict[str, int]:
        """See `Listeners.ports`."""
        return self._listeners.ports

    # ---- parts

    def _control(self, catalogue: Catalogue, saved: SavedState) -> Control:
        """The control loop: the engine with its saved state, its inputs, and the actuators."""
        history, document = History(catalogue.signals), self.documents.document
        limits = ControlGroup().memory_limit_bytes(), self._settings.data_limit
        saved = usable(
            saved,
            document,
            catalogue.knobs,
            catalogue.vocabulary,
            lambda cache: fits(cache.tiers, *limits),
        )
        engine = Engine(document, saved, time.monotonic(), self._clock(), catalogue.knobs)
        return Control(
            engine,
            Sampler(history, self._sources()),
            history,
            look=self._snapshot,
            put_in_force=self.actuators.put_in_force,
            perform=self.actuators.perform,
            data_dir=self._settings.data_dir,
            save=self._claim.save,
            wall=self._clock,
        )

    def _sources(self) -> Sources:
        """What signals are read from."""
        spoken = {name: self.admissions[name] for name in PROTOCOLS}
        return Sources(
            look=self._snapshot,
            requests={name: admission.stats for name, admission in spoken.items()},
            connections=lambda: sum(admission.connections for admission in spoken.values()),
            collections=self._collections,
            pids=self._pids,
            data_dir=self._settings.data_dir,
            group=self._group,
        )

    def _data_server(self) -> Server:
        api, admission = self.data_api(), self.admissions["http"]
        direct = DirectEntries(api.entries, self.store, admission, self._clock)
        if self._token is None:
            return Server("http", Table(DATA, api, refuse_cross_site), admission, direct.take)
        allowed = Authorization(self._token)
        table = Table(DATA, api, refuse_cross_site, allowed.check)
        return Server("http", table, admission, allowed.guard(direct.take))

    def data_api(self) -> DataApi:
        """What serves the data API."""
        return DataApi(
            entries=EntryApi(self.store, self._clock, self.loader),
            batch=BatchApi(self.store, self._clock, self.loader),
            admin=AdminApi(
                self.store, self._clock, self._describe_config, self._describe_protocols
            ),
            optimizer=OptimizerApi(self.control),
            signals=SignalsApi(self.control.history, wall=self._clock),
            warming=WarmingApi(self.warmers),
            console=Console(),
            description=Description(DATA),
        )

    def _ops_server(self) -> Server:
        registered = metrics.registry(
            self._snapshot,
            self.documents.report,
            self._report_process,
            {name: admission.stats for name, admission in self.admissions.items()},
            self.control,
            loader=self.loader,
            warmers=self.warmers,
        )
        api = OpsApi(metrics.Exposition(registered), self._readiness)
        return Server("ops", Table(OPS, api), self.admissions["ops"])

    def _make_origin(self, config: OriginConfig) -> Origin:
        binds = [self._settings.data_bind, self._settings.ops_bind, self._settings.resp_bind]
        ports = [self.ports.get(name) for name in ("http", "ops", "resp")]
        own = OwnListeners(
            (bind[0], port) for bind, port in zip(binds, ports, strict=True) if bind and port
        )
        allowed = self._settings.reach.allowed
        return Origin(config, allowed=allowed, own=own, memory=self.budget, clock=self._clock)

    # ---- queries of the parts

    def _snapshot(self) -> Snapshot:
        return snapshot(self.store)

    def _pids(self) -> dict[str, int]:
        child = self.l3.pid
        return {"main": os.getpid()} | ({} if child is None else {"l3": child})

    def _describe_config(self) -> Configuration:
        engine = self.control.engine
        return Configuration(
            **self.documents.describe(),
            effective=in_shape(CacheSettings, engine.effective.cache),
            knobs=described_knobs(engine),
        )

    def _notes_of_listeners(self) -> list[str]:
        return self._listeners.notes()

    def _describe_protocols(self) -> dict[str, ProtocolState]:
        listening, trouble = self._listeners.listening(), self._listeners.trouble
        return {
            name: ProtocolState(
                listening=listening.get(name, False),
                trouble=trouble.get(name),
                connections=self.admissions[name].connections,
                requests=self.admissions[name].stats.answered_count,
                shed=self.admissions[name].stats.shed.total(),
            )
            for name in PROTOCOLS
        }

    def _report_process(self) -> metrics.ProcessReport:
        return metrics.ProcessReport(
            version=version("cache-sidecar"),
            l3_pid=self.l3.pid,
            l3_restarts=self.l3.restarts,
            connections={name: each.connections for name, each in self.admissions.items()},
            listening=self._listeners.listening(),
        )

    # ---- start and stop

    async def start(self) -> None:
        """Listen, start L3, apply the configuration, and start the background tasks.

        Raises StartError; nothing is left running then once `stop` has been awaited.
        """
        await self._listeners.open()
        self.actuators.limit_memory(self._group.memory_limit_bytes())
        self.control.start()
        self.documents.follow(self._configure)
        self._collections.watch()
        self._l3_task = asyncio.create_task(supervise("l3", self.l3.run), name="l3")
        data_dir = self._settings.data_dir
        self._supervise("upkeep", lambda: upkeep(self.store))
        self._supervise("optimizer", self.control.run)
        self._supervise("memory", self._keep_within_limit)
        self._start("warming", attempt("warming", lambda: warm(self.store, data_dir)))
        self._supervise("warmers", self.warmers.follow)
        write = self._claim.save
        self._supervise("hot keys", lambda: keep_saving(self.store, data_dir, write))
        if self._token_file is not None:
            self._supervise("token file", self._token_file.follow)
        self._follow_sources()

    def _configure(self, document: Document) -> None:
        self.control.configure(document)
        self.warmers.configure(document.warmers)

    def _follow_sources(self) -> None:
        path, api, documents = self._settings.config, self._api, self.documents
        if path is not None:
            leading = api is None
            self._supervise("folder", lambda: following.follow(documents, path, leading=leading))
        if path is not None or api is not None:
            self._supervise("kept document", documents.keep_saving)
        if self._follower is not None:
            self._supervise("configmap", self._follower.run)
        if api is not None and api.events is not None:
            announcer = Announcer(lambda: self.l3.trouble, self.control.engine, api.announce)
            self._supervise("events", api.events.run)
            self._supervise("announcements", announcer.run)

    async def _keep_within_limit(self) -> None:
        await keep_within_limit(self._group, self.actuators, self.documents, self.budget)

    def _supervise(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        self._start(name, supervise(name, work))

    def _start(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reload(self) -> None:
        """Read the folder of the configuration now, if there is one."""
        if self._settings.config is not None:
            work = partial(following.read_again, self.documents, self._settings.config)
            self._start("reload", attempt("reload", work))

    def begin_stopping(self) -> None:
        """Fail `/readyz`, and serve on."""
        self._readiness.stopping = True

    async def stop(self, *, hurry: asyncio.Event) -> None:
        """Finish open requests, write pending data, and stop. `hurry` cuts the waits short."""
        await unless_hurried(hurry, self._listeners.close())
        await cancel(self._tasks)
        await self.loader.close()
        await unless_hurried(hurry, self.warmers.close())
        if self._api is not None:
            await self._api.close()
        if self._l3_task is not None:
            self._collections.close()
            await unless_hurried(hurry, self.control.close())
            if not hurry.is_set():
                await unless_hurried(
                    hurry, save(self.store, self._settings.data_dir, self._claim.save)
                )
            await self.l3.stop(self._l3_task, hurry)


def _api(kube: KubeSettings) -> Api:
    # Imported here, since it loads the official client, which nothing else needs.
    from sidecar.documents.api import Api  # noqa: PLC0415

    try:
        return Api(kube)
    except CredentialsError as error:
        raise StartError(f"--configmap {kube.name}: {error}") from None


def _origin_check(settings: Settings) -> Callable[[OriginConfig], tuple[str, str] | None]:
    """What is wrong with an origin, by the flags."""
    allowed = settings.reach.allowed
    binds = (settings.data_bind, settings.ops_bind, settings.resp_bind)
    own = OwnListeners(bind for bind in binds if bind is not None and bind[1])
    return lambda origin: find_fault(origin, allowed, own)


async def _token(settings: Settings) -> Token | None:
    """What clients have to send; None if nothing. Raises StartError."""
    if settings.token_file is None:
        return None
    try:
        return Token(await asyncio.to_thread(read_token, settings.token_file))
    except TokenFileError as error:
        raise StartError(f"--token-file {error}") from None


def _unannounced(_: Announcement) -> None:
    """Announce nothing, where there is no Kubernetes API."""


async def _take_first(documents: Documents, settings: Settings) -> None:
    """Start with the document that is available at once; the API's is applied when it answers."""
    path = settings.config
    if path is not None or settings.kube is not None:
        await documents.recall()
    if path is not None:
        try:
            await following.start_with(documents, path)
        except UnreadableFolderError as error:
            raise StartError(f"--config {error}") from None
