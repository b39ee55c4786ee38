"""The sidecar's own listeners: a namespace that reads through to them would ask itself."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from sidecar.origins.hosts import Address, address_of


def is_local(address: Address) -> bool:
    """Whether an address is one of this machine's: only those can be bound to. Does not block."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


class OwnListeners:
    """What the sidecar listens on, as hosts and ports: `("127.0.0.1", 7070)`. Ports are those that
    the kernel chose, hosts are addresses or `localhost`.
    """

    __slots__ = ("_binds", "_is_local")

    def __init__(
        self,
        binds: Iterable[tuple[str, int]] = (),
        is_local: Callable[[Address], bool] = is_local,
    ) -> None:
        self._binds = tuple((address, port) for host, port in binds for address in _addresses(host))
        self._is_local = is_local

    def refusal(self, host: str, port: int) -> str | None:
        """Why a connection is not to be made, as a sentence; None if nothing of the sidecar listens
        there. Of names it knows `localhost` only: the others are asked for by their addresses.
        """
        if any(self._reaches(address, port) for address in _addresses(host)):
            return f"Port {port} of {host} is the sidecar itself; name the application's own port."
        return None

    def _reaches(self, address: Address, port: int) -> bool:
        return any(
            port == its_port and (address == bound or self._is_one_of_all(address, bound))
            for bound, its_port in self._binds
        )

    def _is_one_of_all(self, address: Address, bound: Address) -> bool:
        """Whether a listener on all addresses has this one. `::` has those of IPv4, too. Linux
        connects to `0.0.0.0` as to loopback.
        """
        if address.is_unspecified:
            return bound.is_loopback or bound.is_unspecified
        if not bound.is_unspecified or bound.version < address.version:
            return False
        return address.is_loopback or self._is_local(address)


def _addresses(host: str) -> list[Address]:
    names = ("127.0.0.1", "::1") if host == "localhost" else (host,)
    return [address for name in names if (address := address_of(name)) is not None]
