"""A tier in memory. L1 and L2 are two instances of it.

It keeps entries within two limits and returns the entries that it evicts; the store decides where
they go. It counts the actual cost of an entry, so that a limit in bytes limits resident memory.
"""

from __future__ import annotations

from sidecar.model.entry import Entry
from sidecar.policies.migration import Migration
from sidecar.policies.protocol import Policy

EVICT_AT_ONCE = 64
"""The most entries that one call evicts: a tier whose limits were lowered is drained in slices."""

MMAP_THRESHOLD_BYTES = 64 << 10
"""From this size on, the allocator maps each block separately, so that freeing returns it at once.
A smaller block leaves a hole: with twice this size, compressed values of mixed sizes take 1.16
times the counted bytes; with half of it, each large put takes 20 % longer."""

_SMALL = 256
_OBJECT_BYTES = 33  # a bytes object beyond its bytes
_ENTRY_BYTES = 112 + 6 * 32 + 96
"""An Entry, the six numbers that it refers to, and its slot in a dict that is half full."""


def cost_of(entry: Entry) -> int:
    """Resident bytes of an entry in a tier, without its policy's part."""
    key, value = len(entry.key), len(entry.value)
    if value <= _SMALL and key <= _SMALL:
        return _ENTRY_BYTES + ((key + 48) & ~15) + ((value + 48) & ~15)
    return _ENTRY_BYTES + _allocated(_OBJECT_BYTES + key) + _allocated(_OBJECT_BYTES + value)


def _allocated(size: int) -> int:
    """The bytes that CPython and glibc allocate for an object of `size` bytes."""
    if size <= 512:  # pymalloc: classes of 16 bytes
        return (size + 15) & ~15
    if size < MMAP_THRESHOLD_BYTES:  # malloc: 8 bytes in front, multiples of 16
        return (size + 8 + 15) & ~15
    return (size + 16 + 4095) & ~4095


class MemoryTier:
    """Entries by key, with a policy and two limits. Methods are O(1), except for evictions."""

    def __init__(self, policy: Policy, max_entries: int, max_bytes: int) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.policy = policy
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self._cost = 0
        self._overhead = policy.overhead_bytes

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def full(self) -> bool:
        """Whether the next put evicts an entry."""
        return len(self.entries) >= self.max_entries or self.used_bytes >= self.max_bytes

    @property
    def used_bytes(self) -> int:
        return self._cost + len(self.entries) * self._overhead

    @property
    def over(self) -> bool:
        held = len(self.entries)
        return held > self.max_entries or self._cost + held * self._overhead > self.max_bytes

    def put(self, entry: Entry) -> list[Entry]:
        """Add an entry; returns the entries evicted for it, which may include the new one."""
        key = entry.key
        cost = cost_of(entry)
        if cost + self._overhead > self.max_bytes:
            self.pop(key)
            return [entry]
        entry.cost = cost
        old = self.entries.get(key)
        if old is None:
            self.policy.insert(key, entry.expires_at)
            self._cost += cost
        else:
            self.policy.update(key, entry.expires_at)
            self._cost += cost - old.cost
        self.entries[key] = entry
        return self.evict()

    def pop(self, key: bytes) -> Entry | None:
        """Remove an entry for a reason other than eviction."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._cost -= entry.cost
            self.policy.remove(key)
        return entry

    def evict(self) -> list[Entry]:
        """Evict at most EVICT_AT_ONCE entries until the tier is within its limits."""
        entries, overhead = self.entries, self._overhead
        victims: list[Entry] = []
        while (
            (held := len(entries)) > self.max_entries
            or self._cost + held * overhead > self.max_bytes
        ) and len(victims) < EVICT_AT_ONCE:
            entry = entries.pop(self.policy.evict())
            self._cost -= entry.cost
            victims.append(entry)
        return victims

    def repack(self, entry: Entry, value: bytes) -> None:
        """Replace the stored form of an entry that the tier holds."""
        self._cost -= entry.cost
        entry.value = value
        entry.cost = cost_of(entry)
        self._cost += entry.cost

    def resize(self, max_entries: int, max_bytes: int) -> None:
        """Set new limits, in force from the next put; call `evict` until no longer `over`."""
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.policy.resize(max_entries)

    def change_policy(self, policy: Policy) -> None:
        """Switch to another policy; `migrate` then moves the entries to it in slices."""
        self.policy = Migration(self.policy, policy, lambda key: self.entries[key].expires_at)
        self._overhead = self.policy.overhead_bytes

    def migrate(self) -> bool:
        """One slice of a change of policy; True when all entries are moved."""
        if isinstance(self.policy, Migration):
            if not self.policy.step():
                return False
            self.policy = self.policy.new
            self._overhead = self.policy.overhead_bytes
        return True
