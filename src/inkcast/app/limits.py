"""How often somebody may ask: moving windows of a minute, kept in this process."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

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
