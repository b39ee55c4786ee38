"""One origin: the address of a key, admission, the fetch, and what came of it, counted.

Each `load` is one fetch. That a miss fetches once however many ask, how long a request waits for
it, and whether a stale value is given instead, is decided by the caller.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from sidecar.config.origins import OriginConfig
from sidecar.model.clock import Clock
from sidecar.origins.address import Template
from sidecar.origins.allowed import Allowed
from sidecar.origins.breaker import Breaker, State
from sidecar.origins.checking import find_fault
from sidecar.origins.errors import KINDS, BreakerOpenError, OriginError, TooManyFetchesError
from sidecar.origins.fetch import Fetcher
from sidecar.origins.memory import Memory
from sidecar.origins.own import OwnListeners
from sidecar.origins.results import Fetched, Negative, NotModified, Result, Terms, Unshareable

_NAMES: dict[type[Result], str] = {
    Fetched: "fetched",
    NotModified: "not_modified",
    Negative: "negative",
    Unshareable: "unshareable",
}
OUTCOMES: tuple[str, ...] = (*_NAMES.values(), *KINDS, "too_many", "breaker_open", "cancelled")


class Origin:
    """Must be created in a running event loop, and be closed.

    `memory` bounds what the bodies of all origins hold while they are received: a caller that keeps
    a value takes what that needs itself. The constructor raises ValueError with a sentence for a
    configuration that `find_fault` finds a fault in.
    """

    def __init__(
        self,
        config: OriginConfig,
        *,
        allowed: Allowed,
        own: OwnListeners,
        memory: Memory,
        clock: Clock = time.time,
    ) -> None:
        fault = find_fault(config, allowed, own)
        if fault is not None:
            raise ValueError(f"{fault.field}: {fault.sentence}")
        self.config = config
        self._template = Template(config.url)
        self._own = own
        self._loop = asyncio.get_running_loop()
        self._breaker = Breaker()
        self._fetcher = Fetcher(self._template, config, self._refusal_of_address, memory, clock)
        self.in_flight = 0
        self.outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        """Loads by how they ended; one for each of OUTCOMES."""

    @property
    def breaker_state(self) -> State:
        return self._breaker.state(self._loop.time())

    @property
    def breaker_openings(self) -> int:
        return self._breaker.openings

    async def close(self) -> None:
        """Loads that are in flight fail with an OriginError."""
        await self._fetcher.close()

    async def load(self, key: bytes, terms: Terms) -> Result:
        """Ask the origin for a key.

        Raises UnsafeKeyError for a key that has no URL; BreakerOpenError and TooManyFetchesError if
        the origin was not asked; OriginError if it did not answer as it should have.
        """
        url = self._template.url_of(key)
        turn = self._admit()
        self.in_flight += 1
        outcome = "cancelled"
        try:
            result = await self._fetcher.fetch(url, terms)
        except OriginError as error:
            outcome = error.kind
            self._judge(turn, error)
            raise
        except TooManyFetchesError:
            outcome = "too_many"
            raise
        else:
            outcome = _NAMES[type(result)]
            self._breaker.succeeded(turn)
            return result
        finally:
            self.in_flight -= 1
            self.outcomes[outcome] += 1
            self._breaker.abandoned(turn)  # which does nothing if its outcome is known

    def _admit(self) -> int:
        """The turn of a load. Raises BreakerOpenError, TooManyFetchesError."""
        name = self._template.base.authority
        if self.in_flight >= self.config.max_in_flight:
            self.outcomes["too_many"] += 1
            raise TooManyFetchesError(
                f"{self.in_flight} fetches from {name} are in flight, which is the most."
            )
        now = self._loop.time()
        turn = self._breaker.begin(now)
        if turn is None:
            self.outcomes["breaker_open"] += 1
            seconds = self._breaker.seconds_left(now)
            raise BreakerOpenError(f"{name} failed too often, and is not asked for now.", seconds)
        return turn

    def _judge(self, turn: int, error: OriginError) -> None:
        if error.is_ill:
            self._breaker.failed(turn, self._loop.time())
        else:
            self._breaker.succeeded(turn)

    def _refusal_of_address(self, address: str) -> str | None:
        base = self._template.base
        return Allowed.refusal_of_address(base, address) or self._own.refusal(address, base.port)
