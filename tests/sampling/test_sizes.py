from __future__ import annotations

import pytest

from inkcast.errors import EngineError
from inkcast.sampling.sizes import buckets, nearest_bucket

# SDXL paper, appendix I (arXiv 2307.01952): a sample of its (height, width) list.
PUBLISHED = {(512, 2048), (640, 1536), (768, 1344), (832, 1216), (896, 1152), (1024, 1024), (1152, 896), (1536, 640)}


def test_sdxl_gets_its_published_buckets() -> None:
    assert set(buckets(1024)) >= PUBLISHED
    assert all(h % 64 == 0 and w % 64 == 0 and h * w <= 1024**2 for h, w in buckets(1024))


@pytest.mark.parametrize(
    ("side", "aspect", "size"), [(1024, 1.0, (1024, 1024)), (1024, 1.5, (832, 1216)), (256, 0.5, (176, 352))]
)
def test_the_nearest_aspect_is_taken(side: int, aspect: float, size: tuple[int, int]) -> None:
    found = nearest_bucket(side, aspect)
    assert abs(found[1] / found[0] - aspect) <= abs(size[1] / size[0] - aspect)
    assert found[0] * found[1] <= side * side


def test_every_aspect_of_a_page_has_a_bucket_of_nearly_the_full_area() -> None:
    for side in (64, 256, 512, 1024):
        for aspect in (0.4, 0.6, 1.0, 1.3, 2.0, 2.5):
            height, width = nearest_bucket(side, aspect)
            assert height % 8 == 0
            assert width % 8 == 0
            assert height * width >= 0.75 * side * side


def test_strips_are_refused() -> None:
    with pytest.raises(EngineError, match=r"aspect 6\.00 is too long"):
        nearest_bucket(1024, 6.0)
