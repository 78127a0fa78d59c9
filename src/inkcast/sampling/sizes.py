"""At which size a panel is drawn: SDXL's buckets, all of about the base's own area (SDXL paper, section 2.3)."""

from __future__ import annotations

import math

from inkcast.errors import EngineError
from inkcast.sdxl.attention import Size

_LONGEST = 4.0  # long side over short side


def buckets(side: int) -> tuple[Size, ...]:
    """(height, width) in steps of side / 16, none larger than the square of `side`; 1024 gives SDXL's own."""
    step = max(side // 16, 8)
    widths = range(step, 4 * side + 1, step)
    wide = [(side * side // width // step * step, width) for width in widths]
    both = {size for height, width in wide for size in ((height, width), (width, height))}
    return tuple(sorted(size for size in both if min(size) and max(size) / min(size) <= _LONGEST))


def nearest_bucket(side: int, aspect: float) -> Size:
    """The bucket nearest to `aspect` (width over height), the larger one of equals."""
    if not 1 / _LONGEST <= aspect <= _LONGEST:
        raise EngineError(f"a panel of aspect {aspect:.2f} is too long to draw: keep it between 1:4 and 4:1")
    return min(buckets(side), key=lambda size: (abs(math.log(size[1] / size[0] / aspect)), -size[0] * size[1]))
