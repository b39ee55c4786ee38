"""Who is told that a key changes: by a put, a delete or an invalidation.

That a key expires, or is evicted, is no change: nobody has written it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol


class Watcher(Protocol):
    """One who is told of the keys that it watches."""

    def changed(self, key: bytes) -> None:
        """Called within the write, so it must not write, and changes what is watched later."""


class Follower(Protocol):
    """One who is told of all that changes."""

    def changed(self, key: bytes) -> None:
        """Called within the write, so it must not write."""

    def scope_changed(self, scope: bytes) -> None:
        """All keys below it change, those too that nobody knows; all keys if it is empty."""

    def tags_changed(self) -> None:
        """Keys that nobody knows change, since their entries have tags that were invalidated."""


class Watch:
    """Notes whether one of its keys has changed."""

    __slots__ = ("has_changed",)

    def __init__(self) -> None:
        self.has_changed = False

    def changed(self, _key: bytes) -> None:
        self.has_changed = True


class Watched:
    """The watched keys (full keys), and their watchers. Each watcher unwatches what it watches."""

    def __init__(self) -> None:
        self._watchers: dict[bytes, set[Watcher]] = {}
        self._followers: tuple[Follower, ...] = ()
        self.any = False  # an attribute, since every write needs it

    def watch(self, key: bytes, watcher: Watcher) -> None:
        self._watchers.setdefault(key, set()).add(watcher)
        self.any = True

    def unwatch(self, keys: Iterable[bytes], watcher: Watcher) -> None:
        for key in keys:
            if watchers := self._watchers.get(key):
                watchers.discard(watcher)
                if not watchers:
                    del self._watchers[key]
        self._see_whether_any()

    def follow(self, follower: Follower) -> None:
        """Tell it of every change from now on. Every write pays for it."""
        self._followers = (*self._followers, follower)
        self.any = True

    def unfollow(self, follower: Follower) -> None:
        self._followers = tuple(each for each in self._followers if each is not follower)
        self._see_whether_any()

    def _see_whether_any(self) -> None:
        self.any = bool(self._watchers or self._followers)

    def tell(self, key: bytes) -> None:
        """It changes."""
        self._tell_watchers(key)
        for follower in self._followers:
            follower.changed(key)

    def tell_scope(self, scope: bytes) -> None:
        """All keys below it change. O(watched keys)."""
        for key in [key for key in self._watchers if key.startswith(scope)]:
            self._tell_watchers(key)
        for follower in self._followers:
            follower.scope_changed(scope)

    def tell_some(self, change: Callable[[bytes], bool]) -> None:
        """The watched keys change of which that is true, and others that nobody knows. O(watched
        keys).
        """
        for key in [key for key in self._watchers if change(key)]:
            self._tell_watchers(key)
        for follower in self._followers:
            follower.tags_changed()

    def _tell_watchers(self, key: bytes) -> None:
        for watcher in tuple(self._watchers.get(key, ())):
            watcher.changed(key)
