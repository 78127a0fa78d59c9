"""How often somebody may ask, and for how much at once; counted in this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from inkcast.errors import LimitError

if TYPE_CHECKING:
    from limits.strategies import MovingWindowRateLimiter


class PerMinute:
    """At most `amount` of something in any minute, for each key."""

    def __init__(self, amount: int) -> None:
        self.amount = amount

    def wait(self, key: str) -> int:
        """0 and counts it, where it is allowed now; else how many seconds until it is, counting nothing."""
        from limits import RateLimitItemPerMinute

        item = RateLimitItemPerMinute(self.amount)
        if self._limiter.hit(item, key):
            return 0
        return max(1, int(self._limiter.get_window_stats(item, key).reset_time - time.time()) + 1)

    @cached_property
    def _limiter(self) -> MovingWindowRateLimiter:
        from limits.storage import MemoryStorage
        from limits.strategies import MovingWindowRateLimiter

        return MovingWindowRateLimiter(MemoryStorage())


class AtOnce:
    """At most `amount` of something at the same time, for each key."""

    def __init__(self, amount: int, what: str) -> None:
        self._amount = amount
        self._what = what
        self._held: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def one_of(self, key: str) -> Iterator[None]:
        """Holds one for the block; raises LimitError where as many are held already."""
        with self._lock:
            if self._held[key] >= self._amount:
                raise LimitError(f"you have {self._amount} {self._what} open already: close one first")
            self._held[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[key] -= 1
