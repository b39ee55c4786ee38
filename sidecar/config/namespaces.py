"""What `cache.yaml` says of namespaces: values, and which of them apply to a key."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.config.origins import OriginConfig

MAX_NAMED = 100
WILDCARD = "*"
_MOST_REMEMBERED = 1024
"""Namespaces of keys whose settings are found again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceConfig:
    """The settings of one namespace, or of all whose names begin as `name` does before its `*`.
    None: what the request or the rest of the document says.
    """

    name: str
    default_ttl_seconds: float | None = None
    max_ttl_seconds: float | None = None
    jitter: float = 0.0
    """By what share of it a life may be shorter than stated, at random."""
    stale_while_revalidate_seconds: float = 0.0
    stale_if_error_seconds: float = 0.0
    sliding: bool = False
    max_age_seconds: float | None = None
    refresh_early: float = 0.0
    """The last share of a life in which one of those who read a value is to load it anew."""
    origin: OriginConfig | None = None

    @property
    def prefix(self) -> str | None:
        """What names begin with to which it applies; None if it is one name."""
        return self.name.removesuffix(WILDCARD) if self.name.endswith(WILDCARD) else None


class Namespaces:
    """The settings that apply to each key: those of its namespace's name, else those of the longest
    prefix.
    """

    def __init__(self, configured: tuple[NamespaceConfig, ...]) -> None:
        self._exact = {each.name.encode(): each for each in configured if each.prefix is None}
        prefixes = [(each.prefix.encode(), each) for each in configured if each.prefix is not None]
        self._prefixes = sorted(prefixes, key=lambda pair: len(pair[0]), reverse=True)
        self._found: dict[bytes, NamespaceConfig | None] = {}
        self.any = bool(configured)

    def of(self, key: bytes) -> NamespaceConfig | None:
        """Those for a full key, or a prefix of one that has the slash behind the namespace."""
        name = key[: key.index(b"/")]
        try:
            return self._found[name]
        except KeyError:
            found = self._exact.get(name) or self._first(name)
        if len(self._found) >= _MOST_REMEMBERED:
            self._found.clear()
        self._found[name] = found
        return found

    def _first(self, name: bytes) -> NamespaceConfig | None:
        for prefix, config in self._prefixes:
            if name.startswith(prefix):
                return config
        return None
