"""L1 and L2: entries in memory, under one policy.

`order`, the policy of L2, holds the entries of both tiers and decides which of them leaves memory.
`ready`, the policy of L1, holds those that are in L1, and decides which of these is demoted. So an
entry that is promoted or demoted keeps its history: it stays in `order` as it is.

A tier counts the actual cost of an entry, so that a limit in bytes limits resident memory.
"""

from __future__ import annotations

import msgspec

from sidecar.model.entry import L1, L2, Entry, Packed, Tier
from sidecar.model.terms import Terms
from sidecar.policies.migration import Migration
from sidecar.policies.protocol import Policy

MMAP_THRESHOLD_BYTES = 64 << 10
"""From this size on, the allocator maps each block separately, so that freeing returns it at once.
A smaller block leaves a hole: with twice this size, compressed values of mixed sizes take 1.16
times the counted bytes; with half of it, each large put takes 20 % longer."""

_SMALL = 256
_OBJECT_BYTES = 33  # a bytes object beyond its bytes
_ENTRY_BYTES = 96 + 2 * 32
"""An Entry, and the numbers that only it refers to."""
_PACKED_BYTES = 32 + 32
NOT_PLAIN = 0.0
READY_BYTES = 64 + 2 * 32
"""An entry's place in L1."""


def cost_of(key: bytes, value: bytes | Packed, terms: Terms | None = None) -> int:
    """Resident bytes of an entry, without its part in the policies."""
    if terms is not None:
        return terms.cost + cost_of(key, value)
    if not isinstance(value, bytes):
        return _PACKED_BYTES + cost_of(key, value.frame)
    key_bytes, value_bytes = len(key), len(value)
    if value_bytes <= _SMALL and key_bytes <= _SMALL:
        return _ENTRY_BYTES + ((key_bytes + 48) & ~15) + ((value_bytes + 48) & ~15)
    return (
        _ENTRY_BYTES
        + _allocated(_OBJECT_BYTES + key_bytes)
        + _allocated(_OBJECT_BYTES + value_bytes)
    )


def _allocated(size: int) -> int:
    """The bytes that CPython and glibc allocate for an object of `size` bytes."""
    if size <= 512:  # pymalloc: classes of 16 bytes
        return (size + 15) & ~15
    if size < MMAP_THRESHOLD_BYTES:  # malloc: 8 bytes in front, multiples of 16
        return (size + 8 + 15) & ~15
    return (size + 16 + 4095) & ~4095


class Ready(msgspec.Struct, eq=False, gc=False):
    """An entry's place in L1: the node of L1's policy."""

    key: bytes
    entry: Entry
    expires_at: float
    cost: int
    """Of the entry; kept, since L1 is small, and every put demotes an entry."""
    plain_until: float
    """Until when a hit needs no look at the entry's terms: never, if it has any."""
    mark: int = 0


def _ready(entry: Entry, cost: int) -> Ready:
    ends = entry.times.imag
    if entry.terms is None:
        return Ready(entry.key, entry, ends, cost, ends)
    return Ready(entry.key, entry, ends, cost, NOT_PLAIN)


class Room:
    """The limits of a tier, and what its entries take of them. Every write asks it several times,
    so the sums are kept, and not derived.
    """

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self.over = False
        """Whether its entries exceed a limit."""
        self._entries = 0
        self._overhead = 0

    def __len__(self) -> int:
        return self._entries

    @property
    def full(self) -> bool:
        """Whether it has no space for one more entry of average size."""
        held = self._entries
        if held >= self.max_entries:
            return True
        return bool(held) and self.used_bytes + self.used_bytes // held > self.max_bytes

    def fits(self, cost: int) -> bool:
        """Whether the tier could hold an entry of this cost if it were empty."""
        return self.max_entries > 0 and cost + self._overhead <= self.max_bytes

    def has_space(self, cost: int) -> bool:
        """Whether it has space for one more entry of this cost."""
        return (
            self._entries < self.max_entries
            and self.used_bytes + cost + self._overhead <= self.max_bytes
        )

    def take(self, cost: int) -> None:
        """Count an entry that comes."""
        self._entries += 1
        self.used_bytes += cost + self._overhead
        self.over = self._entries > self.max_entries or self.used_bytes > self.max_bytes

    def give(self, cost: int) -> None:
        """Count an entry that goes."""
        self._entries -= 1
        self.used_bytes -= cost + self._overhead
        self.over = self._entries > self.max_entries or self.used_bytes > self.max_bytes

    def recount(self, more: int) -> None:
        """An entry costs so much more than the version that it replaces, or less."""
        self.used_bytes += more
        self.over = self._entries > self.max_entries or self.used_bytes > self.max_bytes

    def charge(self, overhead_bytes: int) -> None:
        """Set what the policies take for each entry."""
        self.used_bytes += (overhead_bytes - self._overhead) * self._entries
        self._overhead = overhead_bytes
        self.over = self._entries > self.max_entries or self.used_bytes > self.max_bytes

    def resize(self, max_entries: int, max_bytes: int) -> None:
        """Set new limits; the caller evicts what is over."""
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.over = self._entries > self.max_entries or self.used_bytes > self.max_bytes


class Memory:
    """The entries of L1 and L2, each in one of them. Methods evict nothing unless they say so."""

    def __init__(self, order: Policy[Entry], ready: Policy[Ready], l1: Room, l2: Room) -> None:
        self.order = order
        self.ready = ready
        self.l1 = l1
        self.l2 = l2
        self._measure()

    # ---- queries

    def tier_of(self, key: bytes) -> Tier:
        """The tier of a key that is held."""
        return L2 if self.ready.get(key) is None else L1

    def entries(self, tier: Tier) -> dict[bytes, Entry]:
        """The entries of one tier, in the order in which memory would evict them; O(n log n)."""
        return {entry.key: entry for entry in self.order if self.tier_of(entry.key) is tier}

    # ---- add, move, remove

    def hold(self, entry: Entry, cost: int, tier: Tier) -> None:
        """Add an entry of this cost to a tier, in place of an older version in either of them."""
        key, order = entry.key, self.order
        old = order.get(key)
        place = None
        if old is None:
            order.insert(entry)
        else:
            order.replace(old, entry)
            place = self.ready.get(key)
            if place is None:
                self.l2.give(cost_of(key, old.value, old.terms))
            elif tier is L1:  # as a rule: it was put not long ago
                if cost != place.cost:
                    self.l1.recount(cost - place.cost)
                ends = entry.times.imag  # `_ready` inlined: most puts take this path
                until = ends if entry.terms is None else NOT_PLAIN
                self.ready.replace(place, Ready(key, entry, ends, cost, until))
                return
            else:
                self.ready.remove(place)
                self.l1.give(place.cost)
        if tier is L1:
            self.l1.take(cost)
            self.ready.insert(_ready(entry, cost))
        else:
            self.l2.take(cost)

    def promote(self, entry: Entry, value: bytes | Packed) -> None:
        """Move an entry from L2 to L1, with its value in this form."""
        self.l2.give(cost_of(entry.key, entry.value, entry.terms))
        entry.value = value
        cost = cost_of(entry.key, entry.value, entry.terms)
        self.l1.take(cost)
        self.ready.insert(_ready(entry, cost))

    def demote(self) -> tuple[Entry, int]:
        """Move the victim of L1's policy to L2; returns it, and its cost."""
        place = self.ready.evict()
        self.l1.give(place.cost)
        self.l2.take(place.cost)
        return place.entry, place.cost

    def remove(self, entry: Entry) -> None:
        """Remove an entry that is held, for a reason other than eviction."""
        self.order.remove(entry)
        self._forget(entry)

    def evict(self) -> tuple[Entry, Tier]:
        """Remove the victim of `order`; returns it, and the tier that it was in."""
        entry = self.order.evict()
        return entry, self._forget(entry)

    def repack(self, entry: Entry, value: bytes | Packed) -> None:
        """Replace the form of the value of an entry that is held."""
        place = self.ready.get(entry.key)
        room = self.l2 if place is None else self.l1
        room.give(cost_of(entry.key, entry.value, entry.terms))
        entry.value = value
        cost = cost_of(entry.key, entry.value, entry.terms)
        room.take(cost)
        if place is not None:
            place.cost = cost

    def _forget(self, entry: Entry) -> Tier:
        place = self.ready.get(entry.key)
        if place is None:
            self.l2.give(cost_of(entry.key, entry.value, entry.terms))
            return L2
        self.ready.remove(place)
        self.l1.give(place.cost)
        return L1

    # ---- other policies

    def change_order(self, policy: Policy[Entry]) -> None:
        """Switch to another policy for both tiers; `migrate` then moves the entries in slices."""
        self.order = Migration(self.order, policy)
        self._measure()

    def change_ready(self, policy: Policy[Ready]) -> None:
        """Switch to another policy for L1; likewise."""
        self.ready = Migration(self.ready, policy)
        self._measure()

    def migrate(self) -> bool:
        """One slice of the changes of policy; True when all entries are moved."""
        if isinstance(self.order, Migration) and self.order.step():
            self.order = self.order.new
        if isinstance(self.ready, Migration) and self.ready.step():
            self.ready = self.ready.new
        self._measure()
        return not isinstance(self.order, Migration) and not isinstance(self.ready, Migration)

    def _measure(self) -> None:
        self.l2.charge(self.order.overhead_bytes)
        self.l1.charge(self.order.overhead_bytes + self.ready.overhead_bytes + READY_BYTES)
