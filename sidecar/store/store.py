"""The data path.

One file of more than 300 lines, so that get, put, delete and invalidate can be read side by side:
the correctness of each depends on what the others do between two awaits.

A get searches these places in order, and stops at the first that has the key:

1. L1: entries ready to be sent.
2. L2: entries that may be compressed. An entry hit `promote_after` times is promoted to L1.
3. The pending table: writes, including deletes, that L3 has not acknowledged.
4. L3, with one flight for all waiters of the key. The entry is promoted to L2, or to L1 if only
   that has space.

A put goes to L1 and to L3. Entries that L1's policy evicts are demoted to L2; entries that L2's
policy evicts, from either, leave memory, and are written to L3 again if L3 has evicted them
meanwhile. An entry is in L1 or in L2, never in both.

A write changes everything that a read may see between two awaits: it marks the flight as overtaken,
removes the old version from memory, and puts the new one into L1 and the pending table. So no read,
wherever it waits, can restore a version that has been replaced.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Final, TypeVar

import msgspec
import structlog

from sidecar.config.knobs import Tuning
from sidecar.config.namespaces import NamespaceConfig, Namespaces
from sidecar.config.values import CacheConfig
from sidecar.model.answers import Status
from sidecar.model.clock import Clock, WriteClock
from sidecar.model.entry import L1, L2, L3, UNUSED, Entry, Hit, Packed, Tier, split
from sidecar.model.errors import (
    LeaseLostError,
    NotReadyError,
    OutcomeUnknownError,
    PreconditionFailedError,
    TooLargeForTiersError,
    TooManyInvalidationsError,
)
from sidecar.model.invalidations import Invalidations
from sidecar.model.life import CLOCK_SLACK_SECONDS, is_expired, is_servable, redated
from sidecar.model.stats import StoreStats
from sidecar.model.tags import MOST_SOFTENED, NO_TAG, Tags
from sidecar.model.terms import Terms, with_defaults
from sidecar.model.writes import (
    RECORD_BYTES,
    REFUSED,
    REPLACED,
    Delete,
    Invalidate,
    InvalidateTags,
    Put,
    Renew,
    Write,
)
from sidecar.store.doorkeeper import Doorkeeper
from sidecar.store.flights import Flight, Flights
from sidecar.store.hot import HotKeys
from sidecar.store.leases import Lease, Leases
from sidecar.store.memory import MemoryTiers, PolicyFactory, Spare
from sidecar.store.turns import Turns
from sidecar.store.watching import Watched
from sidecar.tiers.disk import (
    DOWN,
    UNANSWERED,
    UP,
    Ack,
    Answer,
    Disk,
    State,
    Unanswered,
    entry_of,
    put_of,
)
from sidecar.tiers.memory import cost_of
from sidecar.tiers.packing import LOOP_BYTES, UnpackError, unpack, unpack_aside

MAX_INVALIDATIONS = 16_384
"""The most scopes waiting for their sweep: some ten microseconds for each new one, a pause of some
milliseconds when they are dropped.
"""
MAX_INVALIDATION_BYTES = 1 << 20
"""Of all of them. At both limits they take 5.2 MiB in each of both processes, for which slack and
requests have room in the smallest container.
"""
LEAST_PACE = 0.01
"""The lowest pace of background work: without a sweep, dead entries would keep their space."""
MOST_OVERHEAD_BYTES = 32 << 10
"""More than an entry costs in memory beyond its value."""
SOFT_SECONDS = 3600.0
"""How long entries may be stale because of their tags; then they are gone."""
HARDENED_AT_ONCE = 64
NO_KEY = b""
"""A full key that there never is."""
UNTUNED: Final = Tuning()
T = TypeVar("T")

log = structlog.get_logger("sidecar.store")


class Found(msgspec.Struct, eq=False, gc=False):
    """A version and the tier that has it; a pending version counts as L3's."""

    entry: Entry
    tier: Tier


Cargo = Found | Unanswered | None
"""The result of a flight."""
Client = Disk[Flight[Cargo]]
"""The client of L3, as the store uses it."""


class Ask(msgspec.Struct, eq=False, gc=False):
    """The answer requires a wait: for L3, or for the decompression of a value."""

    found: Found | None


ASK: Final = Ask(None)


class Written(msgspec.Struct, eq=False, gc=False):
    """The result of a write. `durable` is False if only memory has it."""

    entry: Entry | None
    replaced: bool
    durable: bool


_ABSENT = Written(None, replaced=False, durable=False)
"""Nothing was written, since there was no version."""
Reserve = Callable[[int], Awaitable[None]]
"""Awaited with the bytes that are about to be needed."""
OnHit = Callable[[Hit | Ask | None], None]
OnWritten = Callable[[Written | Unanswered], None]
"""Called with UNANSWERED if L3 did not answer in time, so that the outcome is unknown."""
Condition = Callable[[Entry | None], bool]
"""Whether a write may proceed, given the current version."""


async def _nothing_reserved(_size: int) -> None:
    """For callers who read one value at a time."""


class Store:
    """Three tiers as one cache. Keys are full keys (`model.entry.join`), validated by the caller.

    Waits are bounded by L3's timeout. Writes raise NotReadyError if nothing was changed, and
    OutcomeUnknownError if L3 did not confirm a durable write in time.
    """

    def __init__(
        self,
        clock: Clock,
        config: CacheConfig,
        make_policy: PolicyFactory,
        scores: Mapping[str, str],
        disk: Client,
        *,
        spare: Spare,
    ) -> None:
        """`scores` are the import paths of what L3 evicts by, by policy; `disk` is the client
        of L3, which delivers to this store from now on; `spare` is memory for compression.
        """
        self.config = config
        self.tuning = UNTUNED
        self.namespaces = Namespaces(config.namespaces)
        self._rng = random.Random()  # noqa: S311  (no secret)
        self.stats = StoreStats()
        self.stats.name(config.metrics.namespaces)
        self.invalidations = Invalidations()
        self.tags = Tags()
        self.softened = Tags(MOST_SOFTENED)
        """Tags of which entries are stale, since then."""
        self.memory = MemoryTiers(
            clock,
            config,
            make_policy,
            invalidations=self.invalidations,
            tags=self.tags,
            stats=self.stats,
            leave=self._leave_memory,
            redate=self._redate,
            spare=spare,
        )
        self.l1, self.l2 = self.memory.l1, self.memory.l2
        self.disk = disk
        disk.timeout_seconds = config.tiers.l3.timeout_seconds
        disk.sync = config.durability == "disk"
        self.hot = HotKeys(disk.monotonic)
        disk.deliver_to(
            on_answers=self._land,
            on_status=self._on_status,
            on_evicted=self._on_evicted,
            on_touches=self.hot.add,
        )
        self._counts = tuple(self.stats.tiers.items())
        self._l1_counts = self.stats.tiers[L1]
        self._l3_counts = self.stats.tiers[L3]
        self._scores = scores
        self.clock = self._clock = clock
        self._write_clock = WriteClock(clock)
        self._flights: Flights[Cargo] = Flights(self.disk.read)
        self._turns = Turns()
        self.watched = Watched()
        self.leases = Leases(self.watched, disk.monotonic, self._write_clock.next)
        self._doorkeeper: Doorkeeper | None = None  # with L3 admission `second`
        self._sure_bytes = _sure_bytes(config)
        self._disk_expirations = 0  # as counted by the child
        self._disk_damaged = 0  # likewise

    # ---- get

    async def get(
        self,
        key: bytes,
        reserve: Reserve = _nothing_reserved,
        *,
        packed: bool = False,
        on_error: bool = False,
    ) -> Hit | None:
        """The current entry, or None; a read that L3 does not answer in time is a miss.

        `reserve` is awaited before a large value is unpacked, and may raise. With `packed`, a value
        that is held as a frame is not unpacked. `on_error` is whether the caller has met an error
        that its terms allow to answer with a stale value.
        """
        hit = ASK if on_error else self.look(key, packed)
        if not isinstance(hit, Ask):
            return hit
        found: Cargo
        if packed:
            found, value = await self.resolve(key), None
        else:
            found, value = await self.read(key, reserve, hit.found)
        found = None if isinstance(found, Unanswered) else found
        return self._settle(key, found, value, packed, on_error=on_error)

    async def get_or_lease(
        self,
        key: bytes,
        lease_seconds: float,
        wait_seconds: float = 0.0,
        reserve: Reserve = _nothing_reserved,
    ) -> tuple[Hit | None, Lease | None]:
        """The current entry, or None; and the lease of its key for the first one who asks while
        there is no fresh entry. Without any entry, the others wait for up to `wait_seconds`.
        Raises TooManyLeasesError.
        """
        until = self.disk.monotonic() + wait_seconds
        while True:
            found, value = await self.read(key, reserve)
            found = None if isinstance(found, Unanswered) else found
            lease = None
            if found is None or self.is_due(found.entry):
                lease = self.leases.take(key, lease_seconds)
                is_served = found is not None and self._is_served(found.entry)
                if lease is None and not is_served and self.disk.monotonic() < until:
                    await self.leases.wait(key, until)
                    continue
            try:
                return self._settle(key, found, value), lease
            except BaseException:
                if lease is not None:
                    self.leases.give_back(lease)  # nobody is told of it
                raise

    async def peek(self, key: bytes, reserve: Reserve = _nothing_reserved) -> Hit | None:
        """The version in force, even if its life has ended; neither counted nor noted as a use."""
        found, value = await self.read(key, reserve)
        if not isinstance(found, Found):
            return None
        entry = found.entry
        if value is None:
            value = entry.value if isinstance(entry.value, bytes) else unpack(entry.value)
        return Hit(entry, found.tier, value, self.is_over(entry))

    def is_due(self, entry: Entry) -> bool:
        """Whether it is to be loaded anew: its life has ended, or is in its last part."""
        expires_at, terms = self.expires_at(entry), entry.terms
        if terms is not None and terms.early:
            expires_at -= terms.early * (expires_at - entry.created_at)
        return is_expired(expires_at, self._clock())

    def is_over(self, entry: Entry) -> bool:
        """Whether the life of an entry has ended: it is stale, or gone."""
        return is_expired(self.expires_at(entry), self._clock())

    async def read(
        self, key: bytes, reserve: Reserve = _nothing_reserved, found: Found | None = None
    ) -> tuple[Cargo, bytes | None]:
        """The version in force as of the moment when this returns; and its value, if it had to be
        unpacked aside. `found` is what a look in memory has found. Not counted as a lookup.
        """
        version: Cargo = found or await self.resolve(key)
        while (
            isinstance(version, Found)
            and isinstance(packed := version.entry.value, Packed)
            and packed.size > LOOP_BYTES
        ):
            await reserve(packed.size)
            value = await unpack_aside(packed)
            again = await self.resolve(key)
            if isinstance(again, Found) and again.entry.seq == version.entry.seq:
                return again, value
            version = again
        return version, None

    def fetch(self, key: bytes, on_hit: OnHit, packed: bool = False) -> None:
        """Ask L3 for a key that `look` did not find, and call `on_hit` with the answer, once.

        `Ask` as the answer leaves the lookup to `get`, which alone can unpack a value aside, or
        raise an error to its caller. It is not counted as a lookup. `packed` is as for `get`.
        """
        self._flights.call(key, partial(self._fetched, key, packed, on_hit))

    def _fetched(
        self, key: bytes, packed: bool, on_hit: OnHit, overtaken: bool, cargo: Cargo
    ) -> None:
        hit: Hit | Ask | None
        try:
            if not overtaken and self._is_invalidated(cargo):
                self._flights.overtake(key)
                overtaken = True
            found: Cargo | Ask = self.locate(key) if overtaken else cargo
            if isinstance(found, Ask):
                self.fetch(key, on_hit, packed)
                return
            hit = self._at_once(key, None if isinstance(found, Unanswered) else found, packed)
        except Exception:  # noqa: BLE001  (a plugin's policy; `get` meets it in the request's own task)
            hit = ASK
        on_hit(hit)

    def look(self, key: bytes, packed: bool = False) -> Hit | Ask | None:
        """The answer, if it does not require a wait. `packed` is as for `get`."""
        held = self.memory.held
        place = held.ready.get(key)
        # `life.is_expired` inlined: every hit in L1 takes this path, and a call costs more than
        # the comparison.
        if (
            place is not None
            and not self.invalidations.any
            and place.plain_until > self._clock()
            and isinstance(
                value := (entry := place.entry).value, bytes
            )  # it may come packed, until its first hit
        ):
            stats = self.stats
            self._l1_counts.hits += 1
            stats.hit_bytes += len(value)
            if stats.namespaces:
                stats.count_in_namespace(key, hit=True)
            if entry.on_disk == UNUSED:
                entry.on_disk = 0
            held.ready.hit(place)
            held.order.hit(entry)
            self.disk.touch(key)
            return Hit(entry, L1, value)
        found = self.locate(key)
        if isinstance(found, Ask):
            return found
        return self._at_once(key, found, packed)

    def ready_values(self, keys: Iterable[bytes], most_bytes: int) -> list[bytes]:
        """The values of those keys that come first, as far as they are hits in L1 and take so many
        bytes in all: what `look` would find, for many at once.
        """
        if self.invalidations.any:
            return []
        held = self.memory.held
        find, hit_ready, hit_order = held.ready.get, held.ready.hit, held.order.hit
        touch, now = self.disk.touch, self._clock()
        values: list[bytes] = []
        namespaces = self.stats.namespaces
        for key in keys:
            place = find(key)
            if place is None or place.plain_until <= now:
                break
            entry = place.entry
            value = entry.value
            if type(value) is not bytes or len(value) > most_bytes:
                break
            most_bytes -= len(value)
            if entry.on_disk == UNUSED:
                entry.on_disk = 0
            hit_ready(place)
            hit_order(entry)
            touch(key)
            if namespaces:
                self.stats.count_in_namespace(key, hit=True)
            values.append(value)
        self._l1_counts.hits += len(values)
        self.stats.hit_bytes += sum(map(len, values))
        return values

    def _at_once(self, key: bytes, found: Found | None, packed: bool) -> Hit | Ask | None:
        """The answer, unless `get` has to unpack the value aside or to raise that it is damaged."""
        if found is None or packed or isinstance(found.entry.value, bytes):
            return self._settle(key, found, packed=packed)
        if found.entry.value.size > LOOP_BYTES:
            return Ask(found)
        try:
            return self._settle(key, found)
        except UnpackError:
            return Ask(found)

    def locate(self, key: bytes) -> Found | Ask | None:
        """Search memory and the pending table; None if the key is known to be absent."""
        entry = self.memory.find(key)
        if entry is not None:
            if not self.memory.invalidated(entry):
                return Found(entry, self.memory.held.tier_of(key))
            self.memory.pop(key)
        pending = self.disk.pending.get(key)
        if pending is not None:
            entry = pending.entry
            return None if entry is None or self.memory.invalidated(entry) else Found(entry, L3)
        return None if self.disk.state is DOWN else ASK

    def size_of(self, key: bytes) -> int:
        """The bytes that reading its value takes; for a read of L3, the most that it may."""
        found = self.locate(key)
        if not isinstance(found, Ask):
            return 0 if found is None else found.entry.size
        status = self.disk.status
        return 0 if status is None else min(status.largest, self.config.max_value_bytes)

    async def resolve(self, key: bytes) -> Cargo:
        """The current version, even if it has expired, as of the moment when this returns. Not
        counted as a lookup.
        """
        while True:
            found = self.locate(key)
            if not isinstance(found, Ask):
                return found
            overtaken, cargo = await self._flights.wait(key)
            # An invalidation of tags marks no flights, since it does not know their keys.
            if overtaken:
                continue
            if not self._is_invalidated(cargo):
                return cargo
            self._flights.overtake(key)  # else it would be joined again, without a wait

    def _is_invalidated(self, cargo: Cargo) -> bool:
        """Whether what a flight has brought was invalidated since it landed."""
        return isinstance(cargo, Found) and self.memory.invalidated(cargo.entry)

    def _land(self, answers: list[tuple[Flight[Cargo], Answer]]) -> None:
        """Process answers from L3. Coroutines that wait for them run later, see `flights`.

        A read and an invalidation in one frame race, since reads come first in it:

        1. `invalidate` is called; the invalidation is pending and waits to be sent.
        2. A get of K, below that scope, starts a flight: the pending table has the scope, not K.
        3. Both are sent in one frame. L3 answers the read, then applies the invalidation.
        4. The answer is a version that must not be returned, on a flight without a mark.

        So each answer is checked against the invalidations before it is promoted. Other writes do
        not have this race: no flight starts for a pending key.

        All of this is done before the first answer is passed on. A client that is sent answers in
        quick succession is awake for the next one, and to wake it takes longer than all of this.
        """
        landed: list[tuple[Flight[Cargo], Cargo]] = []
        for flight, answer in answers:
            try:
                landed.append((flight, self._cargo_of(flight, answer)))
            except Exception:  # the others are still due
                log.exception("An answer from L3 could not be used")
                landed.append((flight, UNANSWERED))
        for flight, cargo in landed:
            self._flights.land(flight, cargo)

    def _cargo_of(self, flight: Flight[Cargo], answer: Answer) -> Cargo:
        """What L3 has found, which is in memory from now on."""
        if isinstance(answer, Unanswered):
            self.stats.timeouts += 1
            return UNANSWERED
        if flight.overtaken or isinstance(answer, int):
            return None
        entry = entry_of(flight.key, answer, self.disk.epoch)
        if entry is None:
            self._drop_damaged(flight.key)
            return None
        if self.memory.invalidated(entry):
            return None
        now = self._clock()
        # `life.is_ahead` and `is_expired` inlined, as in `look`.
        if entry.times.real > now + CLOCK_SLACK_SECONDS:
            entry = self._redate(entry)
        if entry.times.imag > now:
            self._promote(entry)
        return Found(entry, L3)

    def _drop_damaged(self, key: bytes) -> None:
        """Delete a version from L3 that is not what was put."""
        self.stats.damaged += 1
        log.warning("L3 has given a value that was not put", key=key.decode(errors="replace"))
        if self.disk.state is UP and not self.disk.full:
            self.disk.write(Delete(key, self._write_clock.next()), None)

    def _redate(self, entry: Entry) -> Entry:
        """A version that was put while the clock was ahead, dated now. It is a new one, so that it
        replaces the other in L3.
        """
        new = Entry(
            key=entry.key,
            value=entry.value,
            content_type=entry.content_type,
            seq=self._write_clock.next(),
            times=redated(entry.times, self._clock()),
            terms=entry.terms,
        )
        if self.disk.state is UP and not self.disk.full:
            self.disk.write(put_of(new), new)
        return new

    def _promote(self, entry: Entry) -> None:
        """Bring an entry from L3 into memory. An error of a plugin's policy is logged: the answers
        that came in the same reply are still due.
        """
        try:
            self.memory.bring(entry)
        except Exception:
            log.exception("An entry from L3 could not be promoted")
        else:
            self._l3_counts.promotions += 1

    def _settle(
        self,
        key: bytes,
        found: Found | None,
        value: bytes | None = None,
        packed: bool = False,
        *,
        on_error: bool = False,
    ) -> Hit | None:
        """Count a finished lookup, and record the use of the entry; `value` if it was slow."""
        hit = self._use(found, value, packed, on_error=on_error)
        if self.stats.namespaces:
            self.stats.count_in_namespace(key, hit=hit is not None)
        return hit

    def _use(
        self, found: Found | None, value: bytes | None, packed: bool, *, on_error: bool
    ) -> Hit | None:
        if found is None:
            for _, counts in self._counts:
                counts.misses += 1
            return None
        entry, tier = found.entry, found.tier
        for at, counts in self._counts:
            if at is tier:
                break
            counts.misses += 1
        now = self._clock()
        if not self._is_served(entry, on_error=on_error):
            counts.expired += 1
            self._expire(entry, tier)
            return None
        stale = entry.terms is not None and is_expired(self.expires_at(entry), now)
        entry = self._renew(entry, now)
        stored = entry.value
        if packed and isinstance(stored, Packed):
            hit = Hit(entry, tier, stored.frame, stale, packed=True)
        else:
            if value is None:
                value = stored if isinstance(stored, bytes) else unpack(stored)
            hit = Hit(entry, tier, value, stale)
        if stale:
            counts.stale += 1
        else:
            counts.hits += 1
        self.stats.hit_bytes += entry.size
        if tier is L3:
            self.hot.note(entry.key)
        else:
            self.disk.touch(entry.key)
            self.memory.use(entry, value)
        return hit

    def _expire(self, entry: Entry, tier: Tier) -> None:
        """A lookup was not answered with this entry; it may be after an error."""
        if is_expired(entry.gone_at, self._clock()):
            self.memory.expire(entry, tier)

    def _renew(self, entry: Entry, now: float) -> Entry:
        """Let the life of an entry begin anew with this hit if it slides. It is the same version.
        L3 hears of it some times in each life, and when the entry leaves memory.
        """
        terms = entry.terms
        if terms is None or not terms.sliding or self.is_over(entry):
            return entry
        gone_at = terms.renewed(entry.created_at, entry.gone_at, now)
        if gone_at == entry.gone_at:
            return entry
        new = Entry(
            key=entry.key,
            value=entry.value,
            content_type=entry.content_type,
            seq=entry.seq,
            times=complex(entry.created_at, gone_at),
            on_disk=entry.on_disk,
            hits=entry.hits,
            terms=terms,
        )
        self.memory.renew(entry, new)
        pending = self.disk.pending.get(entry.key)
        if pending is not None and pending.entry is entry:
            pending.entry = new
        if terms.is_worth_renewing(entry.gone_at, gone_at):
            self._tell_renewed(new)
        return new

    def _tell_renewed(self, entry: Entry) -> None:
        if self.disk.state is UP and not self.disk.full:
            self.disk.write(Renew(entry.key, entry.seq, entry.gone_at), None)

    # ---- put, delete, invalidate

    async def put(
        self,
        key: bytes,
        value: bytes,
        content_type: str,
        ttl_seconds: float,
        condition: Condition | None = None,
        *,
        keeps_life: bool = False,
        terms: Terms | None = None,
        lease: str | None = None,
    ) -> Written:
        """Store a version. Raises PreconditionFailedError if the condition does not hold, and
        LeaseLostError if the lease with this token is not held. With `keeps_life` it expires when
        the version does that it replaces, if it replaces a fresh one.
        """
        while len(value) > LOOP_BYTES and self.memory.over:
            self.memory.drain()  # one large value may have taken the place of many small ones
            await asyncio.sleep(0)
        begin = partial(self.begin_put, key, value, content_type, ttl_seconds, terms=terms)
        if lease is not None:
            begin = partial(self._begin_leased, lease, begin, key, terms)
        if not keeps_life:
            return await self._write(key, begin, condition)

        def begin_in_place_of(entry: Entry | None, on_written: OnWritten) -> None:
            keeps = entry is not None and not self.is_over(entry)
            if entry is None or not keeps:
                begin(on_written)
            else:
                begin(on_written, expires_at=entry.expires_at, kept=True)

        return await self.change(key, begin_in_place_of, condition)

    def _begin_leased(
        self,
        token: str,
        begin: Callable[..., None],
        key: bytes,
        terms: Terms | None,
        on_written: OnWritten,
        **options: float | None,
    ) -> None:
        """Begin a put for which the key has been leased."""
        self.check_lease(key, token, terms)
        begin(on_written, **options)

    def check_lease(self, key: bytes, token: str, terms: Terms | None) -> None:
        """Raises LeaseLostError unless a version with these terms may be put with this lease."""
        lease = self.leases.holds(key, token)
        if lease is None:
            raise LeaseLostError
        if terms is not None and (
            self.tags.covers(terms.marks, lease.seq) or self.softened.covers(terms.marks, lease.seq)
        ):
            self.leases.give_back(lease)
            raise LeaseLostError

    async def delete(self, key: bytes, condition: Condition | None = None) -> Written:
        """Remove the current version; `replaced` is whether there was one."""
        return await self._write(key, partial(self.begin_delete, key), condition)

    async def take(
        self, key: bytes, condition: Condition | None = None, reserve: Reserve = _nothing_reserved
    ) -> Hit | None:
        """Remove the current version, and return it; None if there is none. It counts as a lookup.
        Raises as `put`, and what `reserve` raises before a large value is unpacked.
        """
        if not self.disk.accepts:
            await self.room()
        async with self._turns.of(key, self.config.tiers.l3.timeout_seconds):
            found, value = await self.read(key, reserve)
            if isinstance(found, Unanswered):
                raise NotReadyError
            hit = self._settle(key, found, value)
            if condition is not None and not condition(None if hit is None else hit.entry):
                raise PreconditionFailedError
            # Without a hit, too: an L3 that is away may have one; or it has expired, and the clock
            # may be set back.
            if found is not None or self.disk.state is DOWN:
                await _written(partial(self.begin_delete, key))
            return hit

    async def touch(
        self, key: bytes, ttl_seconds: float, condition: Condition | None = None
    ) -> Written | None:
        """Give the current version another life, as a new version; None if there is none. Raises as
        `put`.
        """

        def begin(entry: Entry | None, on_written: OnWritten) -> None:
            if entry is None:
                on_written(_ABSENT)
            else:
                self.begin_redate(entry, self._clock() + ttl_seconds, on_written)

        written = await self.change(key, begin, condition)
        return None if written is _ABSENT else written

    async def change(
        self,
        key: bytes,
        begin: Callable[[Entry | None, OnWritten], None],
        condition: Condition | None = None,
    ) -> Written:
        """Write what depends on the current version: `begin` is called with it, and nothing comes
        between that and the write that it begins. Raises as `put`, and what `begin` raises.
        """
        if not self.disk.accepts:
            await self.room()
        async with self._turns.of(key, self.config.tiers.l3.timeout_seconds):
            entry = await self._current(key)
            if condition is not None and not condition(entry):
                raise PreconditionFailedError
            return await _written(partial(begin, entry))

    async def invalidate(self, scope: bytes) -> Written:
        """Remove all entries below `scope` (a prefix of full keys), with immediate effect."""
        self._check_invalidations([scope])
        await self.room()
        return await _written(partial(self._begin_invalidate, scope))

    async def invalidate_tags(self, marks: list[int], *, soft: bool = False) -> Written:
        """Remove all entries with one of these tags (`terms.mark_of`), with immediate effect; or
        let them be stale from now on, if they are to be `soft`.
        """
        await self.room()
        begin = self.begin_soften if soft else self.begin_invalidate_tags
        return await _written(partial(begin, marks))

    async def _write(
        self, key: bytes, begin: Callable[[OnWritten], None], condition: Condition | None
    ) -> Written:
        if condition is not None:
            return await self.change(key, lambda _, on_written: begin(on_written), condition)
        if not self.disk.accepts:
            await self.room()
        return await _written(begin)

    @property
    def accepts(self) -> bool:
        """Whether a write may begin now: L3 has room, for which nobody waits, or was given up."""
        return self.disk.accepts_at_once

    def refuses_read(self, key: bytes = NO_KEY) -> bool:
        """Whether a read of L3 would not be answered in time, and is to be refused. One more read
        of a key that is being read costs nothing.
        """
        return self.disk.refuses_read() and key not in self._flights

    def refuses_write(self) -> bool:
        """Whether a write would not be answered in time, and is to be refused."""
        return self.disk.refuses_write(until_applied=self.config.durability != "memory")

    def begin_put(
        self,
        key: bytes,
        value: bytes,
        content_type: str,
        ttl_seconds: float,
        on_written: OnWritten,
        *,
        expires_at: float | None = None,
        terms: Terms | None = None,
        kept: bool = False,
    ) -> None:
        """Store a version, and call `on_written` once, when the write is as durable as configured.

        It lives for `ttl_seconds`, or until `expires_at` in seconds of the wall clock, and is
        served longer than that if its terms say so. Its namespace may shorten its life, and give it
        terms, unless its life is `kept` from the version that it replaces. Reads return the version
        from now on. The caller has checked `accepts`. Raises TooLargeForTiersError for a value that
        no tier can hold, and changes nothing then.
        """
        if len(value) > self._sure_bytes and not self._fits(key, value, content_type, terms):
            raise TooLargeForTiersError
        now = self._clock()
        ends = now + ttl_seconds if expires_at is None else expires_at
        if self.namespaces.any and not kept and (namespace := self.namespaces.of(key)):
            ends, terms = self._settled(namespace, key, now, ends, terms)
        if terms is not None:
            ends += terms.grace
        self.stats.put_bytes += len(value)
        seq = self._write_clock.at(now)
        entry = Entry(
            key=key,
            value=value,
            content_type=content_type,
            seq=seq,
            times=complex(now, ends),
            on_disk=UNUSED,  # not demoted if it does not fit, since L3 gets it below
            terms=terms,
        )
        old = self.memory.held.order.get(key)
        known = old is not None and self._known(old)
        self._overtake(key)
        self.memory.put(entry)
        if self._doorkeeper is not None and self._spares_l3(self._doorkeeper, key, old):
            write: Write = Delete(key, seq)
        else:
            entry.on_disk = 0
            write = self._write_of(entry)
        self._to_disk(write, entry, on_written, known=known)

    def _settled(
        self,
        namespace: NamespaceConfig,
        key: bytes,
        now: float,
        expires_at: float,
        stated: Terms | None,
    ) -> tuple[float, Terms | None]:
        """The end of the life of a version that is put now, and its terms, in its namespace."""
        life = expires_at - now
        if namespace.max_ttl_seconds is not None:
            life = min(life, namespace.max_ttl_seconds)
        if namespace.jitter and not math.isinf(life):
            life *= 1 - self._rng.random() * namespace.jitter
        graces = (namespace.stale_while_revalidate_seconds, namespace.stale_if_error_seconds)
        slides = namespace.sliding and not math.isinf(life)
        return now + life, with_defaults(
            stated,
            split(key)[0],
            graces,
            sliding=life if slides else 0.0,
            max_age=namespace.max_age_seconds,
            early=0.0 if math.isinf(life) else namespace.refresh_early,
        )

    def default_life(self, key: bytes, otherwise: float) -> float:
        """The life in seconds of what is put without one, in the namespace of this key."""
        namespace = self.namespaces.of(key) if self.namespaces.any else None
        if namespace is None or namespace.default_ttl_seconds is None:
            return otherwise
        return namespace.default_ttl_seconds

    def _spares_l3(self, doorkeeper: Doorkeeper, key: bytes, old: Entry | None) -> bool:
        """Whether only memory stores this put, since the key was not put recently.

        The key is deleted from L3 instead, which may have an older version. This costs L3 a lookup,
        and no write if it has none. A value too large for the memory tiers always goes to L3.
        """
        if doorkeeper.knows(key) or old is not None:
            return False
        return self.memory.find(key) is not None

    def together(self) -> AbstractContextManager[None]:
        """Writes that begin within are one batch in L3 (see `Disk.together`)."""
        return self.disk.together()

    def begin_delete(self, key: bytes, on_written: OnWritten, *, certain: bool = False) -> None:
        """Remove the current version; otherwise like `begin_put`. If `certain`, L3 is waited for,
        which alone may know whether there was one, even where writes do not wait for it.
        """
        known = self._known(self.memory.find(key))
        self._overtake(key)
        self.memory.pop(key)
        delete = Delete(key, self._write_clock.next())
        self._to_disk(delete, None, on_written, known=known, certain=certain)

    def begin_redate(self, entry: Entry, expires_at: float, on_written: OnWritten) -> None:
        """Store an entry that is in force again, with another time of expiry; otherwise like
        `begin_put`. Its value is kept in its form, and its terms.
        """
        terms = entry.terms
        if self.namespaces.any and (namespace := self.namespaces.of(entry.key)):
            most = namespace.max_ttl_seconds
            if most is not None:
                expires_at = min(expires_at, self._clock() + most)
        new = Entry(
            key=entry.key,
            value=entry.value,
            content_type=entry.content_type,
            seq=self._write_clock.next(),
            times=complex(self._clock(), expires_at if terms is None else expires_at + terms.grace),
            terms=terms,
        )
        known = self._known(self.memory.find(entry.key))
        self._overtake(entry.key)
        self.memory.put(new)
        self._to_disk(self._write_of(new), new, on_written, known=known)

    def _write_of(self, entry: Entry) -> Write:
        """What L3 is sent of a version. One that is down is sent nothing, and its key is noted."""
        return Delete(entry.key, entry.seq) if self.disk.state is DOWN else put_of(entry)

    def _overtake(self, key: bytes) -> None:
        """The version in force is about to be replaced: tell those who have read it."""
        self._flights.overtake(key)
        if self.watched.any:
            self.watched.tell(key)

    def begin_invalidate(self, scopes: Mapping[bytes, OnWritten]) -> None:
        """Remove all entries below these scopes; otherwise like `begin_put`. Raises
        TooManyInvalidationsError, and changes nothing then.
        """
        self._check_invalidations(scopes)
        for scope, on_written in scopes.items():
            self._begin_invalidate(scope, on_written)

    def _begin_invalidate(self, scope: bytes, on_written: OnWritten) -> None:
        seq = self._write_clock.next()
        self._flights.overtake_scope(scope)
        if self.watched.any:
            self.watched.tell_scope(scope)
        self.invalidations.add(scope, seq)
        self._to_disk(Invalidate(scope, seq), None, on_written, known=False)

    def begin_invalidate_tags(self, marks: list[int], on_written: OnWritten) -> None:
        """Remove all entries with one of these tags; otherwise like `begin_put`."""
        if self.watched.any:
            self.watched.tell_some(partial(self._may_carry, frozenset(marks)))
        for mark in marks:
            self.softened.discard(mark)
        self._invalidate_tags(marks, self._write_clock.next(), on_written)

    def _invalidate_tags(
        self, marks: list[int], seq: int, on_written: OnWritten, *, floor: int = 0
    ) -> None:
        self.tags.raise_floor(floor)
        for mark in marks:
            self.tags.add(mark, seq)
        self._to_disk(InvalidateTags(marks, seq, floor), None, on_written, known=False)

    def begin_soften(self, marks: list[int], on_written: OnWritten) -> None:
        """Let all entries with one of these tags be stale from now on."""
        seq = self._write_clock.next()
        if self.watched.any:
            self.watched.tell_some(partial(self._may_carry, frozenset(marks)))
        for mark in marks:
            self.softened.add(mark, seq)
        self._to_disk(InvalidateTags(marks, seq, soft=True), None, on_written, known=False)

    def harden(self) -> None:
        """Remove what has been stale for SOFT_SECONDS because of its tags; what was put since has
        a higher number than they.
        """
        long_ago = int((self._clock() - SOFT_SECONDS) * 1e6)
        for mark, seq in self.softened.items()[:HARDENED_AT_ONCE]:
            if seq > long_ago or not self.disk.accepts:
                return
            if mark == NO_TAG:
                self.softened.drop_floor()
                self._invalidate_tags([], seq, _unheard, floor=seq)
            else:
                self.softened.discard(mark)
                self._invalidate_tags([mark], seq, _unheard)

    def expires_at(self, entry: Entry) -> float:
        """When the life of an entry ends, or has ended: sooner than stated, if it was softened."""
        terms = entry.terms
        if terms is None or not self.softened.any:
            return entry.expires_at
        seq = self.softened.covering(terms.marks)
        if seq <= entry.seq:
            return entry.expires_at
        return min(entry.expires_at, seq / 1e6, self._clock())

    def _may_carry(self, marks: frozenset[int], key: bytes) -> bool:
        """Whether an entry has one of these tags, or only L3 knows."""
        found = self.locate(key)
        if isinstance(found, Found):
            terms = found.entry.terms
            return terms is not None and not marks.isdisjoint(terms.marks)
        return found is not None

    def _to_disk(
        self,
        write: Write,
        entry: Entry | None,
        on_written: OnWritten,
        *,
        known: bool,
        certain: bool = False,
    ) -> None:
        """Make a write durable as configured, after memory has it.

        `known` is whether memory had a version that L3 lacks; `certain`, whether L3's answer is
        waited for in any case.
        """
        if self.disk.state is DOWN:
            self.disk.miss(write, lambda _: on_written(Written(entry, known, durable=False)))
            return
        for_l3 = entry if isinstance(write, Put) else None
        if self.config.durability == "memory" and not certain:
            self.disk.write(write, for_l3)
            on_written(Written(entry, True, durable=False))
            return

        def on_ack(effect: Ack) -> None:
            if isinstance(effect, Unanswered):
                on_written(effect)
            elif effect is None:
                on_written(Written(entry, known, durable=False))
            else:
                durable = effect != REFUSED and for_l3 is entry
                on_written(Written(entry, known or effect == REPLACED, durable))

        self.disk.write(write, for_l3, on_ack)

    async def _current(self, key: bytes) -> Entry | None:
        """The version in force, as of the moment when this returns."""
        found = await self.resolve(key)
        if isinstance(found, Unanswered):
            raise NotReadyError
        if found is None or not self._is_served(found.entry):
            return None
        return found.entry

    def _is_served(self, entry: Entry, *, on_error: bool = False) -> bool:
        """Whether a lookup returns it, if only stale."""
        now, terms = self._clock(), entry.terms
        if terms is None:
            return not is_expired(entry.gone_at, now)
        gone_at = self.expires_at(entry) + terms.grace
        return is_servable(gone_at, terms, now, on_error=on_error)

    async def room(self) -> None:
        """Wait until a write may be issued. Each conditional writer may exceed the limit by one.

        Raises NotReadyError.
        """
        try:
            async with asyncio.timeout(self.config.tiers.l3.timeout_seconds):
                await self.opened()
        except TimeoutError:
            raise NotReadyError from None

    async def opened(self) -> None:
        """Wait until L3 has been opened or given up, and has room for writes."""
        while not self.disk.accepts:
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.disk.when_room(partial(_answer, room, None))
            await room

    async def applied(self) -> None:
        """Wait until L3 has applied all writes that have begun, to be as durable as configured.

        Raises NotReadyError if L3 is not up, or does not answer in time.
        """
        await self.room()
        if self.disk.state is not UP:
            raise NotReadyError
        # L3 applies writes in their order, so the answer to this one comes after all others.
        done: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        nothing = Delete(NO_KEY, self._write_clock.next())
        self.disk.write(nothing, None, partial(_answer, done))
        if not isinstance(await done, int):
            raise NotReadyError

    # ---- eviction from memory, and reports from L3

    def _leave_memory(self, entry: Entry) -> None:
        """Write an entry that memory evicts to L3, unless L3 has it or its admission rejects it.

        Rejected are entries that the admission kept in memory only and that had no hit.
        """
        disk = self.disk
        if entry.terms is not None and entry.terms.sliding and entry.on_disk == disk.epoch:
            self._tell_renewed(entry)
            return
        if (
            entry.on_disk in (disk.epoch, UNUSED)
            or self.memory.dead(entry)
            or entry.key in disk.pending
        ):
            return
        if disk.state is UP and not disk.full:
            self.stats.tiers[L2].demotions += 1
            disk.write(put_of(entry), entry)

    def _on_status(self, status: Status, hello: bool) -> None:
        if hello:
            self._write_clock.observe(status.max_seq)
            self._take_softened(status.softened)
            self._disk_expirations = self._disk_damaged = 0
            self._hand_over()
            self._configure_disk()
            # What L3 has was absent while it was away, without a write that would have told so.
            if self.watched.any:
                self.watched.tell_scope(b"")
        self._l3_counts.expirations += status.expirations - self._disk_expirations
        self._disk_expirations = status.expirations
        self.stats.damaged += status.damaged - self._disk_damaged
        self._disk_damaged = status.damaged

    def _take_softened(self, softened: list[tuple[int, int]]) -> None:
        """Of an earlier process."""
        for mark, seq in softened:
            if mark == NO_TAG:
                self.softened.raise_floor(seq)
            else:
                self.softened.add(mark, seq)

    def _hand_over(self) -> None:
        """Give L3, which was away, what it missed. Invalidations are believed here again first: a
        read may be answered before them (see `_land`), and memory may have been swept meanwhile.
        """
        missed = self.disk.missed.writes()
        for write in missed:
            match write:
                case Invalidate():
                    self.invalidations.add(write.scope, write.seq)
                case InvalidateTags():  # hard, also if it was soft: see `tiers.missed`
                    self.tags.raise_floor(write.floor)
                    for mark in write.marks:
                        self.tags.add(mark, write.seq)
        self.disk.hand_over(missed)

    def _on_evicted(self, keys: list[bytes]) -> None:
        self._l3_counts.evictions += len(keys)
        for key in keys:
            entry = self.memory.find(key)
            if entry is not None:
                entry.on_disk = 0

    # ---- a new configuration, and background work

    def apply(self, config: CacheConfig, tuning: Tuning = UNTUNED) -> None:
        """Use another configuration from the next operation on; `drain` adapts the tiers to it."""
        for tier in Tier:
            policy = self.config.tiers.of(tier).policy
            if policy != config.tiers.of(tier).policy:
                self.stats.tiers[tier].leave_policy(policy)
        if config.namespaces != self.config.namespaces:
            self.namespaces = Namespaces(config.namespaces)
        self.config, self.tuning = config, tuning
        self._sure_bytes = _sure_bytes(config)
        self.stats.name(config.metrics.namespaces)
        self.memory.apply(config)
        self.disk.timeout_seconds = config.tiers.l3.timeout_seconds
        self.disk.sync = config.durability == "disk"
        self.disk.pace_writes(tuning.l3_write_bytes_per_second)
        self._configure_disk()
        # With durability `disk`, every write has to be on the disk.
        if tuning.l3_admission == "every" or config.durability == "disk":
            self._doorkeeper = None
        elif self._doorkeeper is None:
            self._doorkeeper = Doorkeeper()

    def _configure_disk(self) -> None:
        l3 = self.config.tiers.l3
        self.disk.configure(self._scores[l3.policy], l3.max_entries, l3.max_bytes, self.pace)

    @property
    def pace(self) -> float:
        """Set the pace of background work, as a fraction of the normal speed; it never stops."""
        return max(LEAST_PACE, self.tuning.background_pace)

    async def bring(self, key: bytes, *, to_l1: bool) -> bool:
        """Load an entry from L3 into memory if there is room; not counted as a lookup."""
        room = self.l1 if to_l1 else self.l2
        if room.full or isinstance(self.locate(key), Found):
            return False
        found = await self.resolve(key)
        if not isinstance(found, Found) or found.tier is not L3:
            return False
        entry, held = found.entry, self.memory.held
        in_l2 = held.order.get(key) is entry and held.tier_of(key) is L2
        if to_l1 and in_l2 and isinstance(entry.value, bytes):
            self.memory.promote(entry, entry.value)
        self.stats.warmed += 1
        return True

    # ---- L3, for callers outside the store

    def number_after(self, seq: int) -> None:
        """Number all writes from now on above `seq`, up to which L3 may have some."""
        self._write_clock.observe(seq)

    def number(self) -> int:
        """A write number of its own: higher than those of all writes until now."""
        return self._write_clock.next()

    def limit_pending(self, size_bytes: int) -> None:
        """Limit the writes that L3 has not acknowledged, from the next `apply` on."""
        self.disk.most_pending_bytes = size_bytes

    @property
    def l3_state(self) -> State:
        return self.disk.state

    @property
    def started(self) -> bool:
        """Whether L3 has been opened or given up since the start: requests can be served."""
        return self.disk.started

    @property
    def l3_status(self) -> Status | None:
        """The latest status of L3; None before the first one and while it is down."""
        return self.disk.status

    async def rewrite_l3(self) -> bool | None:
        """Start a rewrite of L3's tables. False if one is in progress; None if L3 is not up."""
        begun: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self.disk.rewrite(lambda answer: None if begun.done() else begun.set_result(answer))
        return await begun

    # ---- predicates

    def is_invalidated(self, entry: Entry) -> bool:
        """Whether a version that was read before has been invalidated since."""
        return self.memory.invalidated(entry)

    def _known(self, entry: Entry | None) -> bool:
        """Whether it is a live version of which L3 cannot report that it was replaced."""
        disk = self.disk
        return (
            entry is not None
            and (entry.on_disk != disk.epoch or disk.state is DOWN)
            and not self.memory.dead(entry)
        )

    def _fits(self, key: bytes, value: bytes, content_type: str, terms: Terms | None) -> bool:
        """Whether a tier could hold this value if it were empty."""
        cost, l3 = cost_of(key, value, terms), self.config.tiers.l3
        size = len(key) + len(content_type) + len(value) + RECORD_BYTES
        if terms is not None:
            size += 2 * len(terms.bytes)
        return (
            self.l1.fits(cost)
            or self.l2.fits(cost)
            or (l3.enabled and self.disk.state is not DOWN and size <= l3.max_bytes)
        )

    def _check_invalidations(self, more: Collection[bytes]) -> None:
        """Raises TooManyInvalidationsError if there is no room for these scopes."""
        count, size = len(self.invalidations), self.invalidations.size_bytes
        status = self.disk.status
        if status is not None:
            count = max(count, status.invalidations)
            size = max(size, status.invalidation_bytes)
        if (
            count + len(more) > MAX_INVALIDATIONS
            or size + sum(map(len, more)) > MAX_INVALIDATION_BYTES
        ):
            raise TooManyInvalidationsError


def _sure_bytes(config: CacheConfig) -> int:
    """The largest value that L1 or L2 can hold for sure: with the longest key, in any policy."""
    tiers = (config.tiers.l1, config.tiers.l2)
    largest = max((tier.max_bytes for tier in tiers if tier.enabled), default=0)
    return largest - MOST_OVERHEAD_BYTES


async def _written(begin: Callable[[OnWritten], None]) -> Written:
    """The result of a write, for a coroutine. Raises OutcomeUnknownError."""
    answer: asyncio.Future[Written | Unanswered] = asyncio.get_running_loop().create_future()
    begin(partial(_answer, answer))
    written = await answer
    if isinstance(written, Unanswered):
        raise OutcomeUnknownError
    return written


def _unheard(_: object) -> None:
    """Nobody waits for it."""


def _answer(future: asyncio.Future[T], answer: T) -> None:
    if not future.done():
        future.set_result(answer)
