"""Panel pictures as they go onto the page: cropped, and resampled to the page's resolution."""

from __future__ import annotations

import io

from PIL import Image, ImageFilter, ImageStat

from inkcast.page.setting import SetPicture

_ENLARGE_AT_MOST = 8.0  # beyond it, whoever shows the page enlarges further
_SMOOTH_FROM = 1.8


def prepare(picture: Image.Image, item: SetPicture, dpi: int) -> Image.Image:
    """The cropped picture at the size it is printed, by Lanczos either way.

    Where a small picture is enlarged much, the stairs that its pixels leave are smoothed, then its lines sharpened.
    """
    cropped = picture.convert("RGB").crop(item.crop)
    width = round((item.box[2] - item.box[0]) / 25.4 * dpi)
    scale = min(width / cropped.width, _ENLARGE_AT_MOST)
    size = max(1, round(cropped.width * scale)), max(1, round(cropped.height * scale))
    resized = cropped.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if scale > _SMOOTH_FROM:
        resized = resized.filter(ImageFilter.GaussianBlur(scale * 0.28))
        return resized.filter(ImageFilter.UnsharpMask(radius=scale * 0.55, percent=130, threshold=0))
    return resized


def encoded(picture: Image.Image) -> bytes:
    """A JPEG without chroma subsampling: drawn lines stay clean, and PDF and EPUB embed it as it is."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=93, subsampling=0)
    return buffer.getvalue()


def edge_colour(picture: Image.Image, crop: tuple[int, int, int, int]) -> str:
    """The mean colour of the picture's upper edge and its sides, as "#rrggbb":
    what lies around the picture goes on in it.
    """
    x0, y0, x1, y1 = crop
    rgb = picture.convert("RGB")
    edges = [(x0, y0, x1, y0 + 1), (x0, y0, x0 + 1, y1), (x1 - 1, y0, x1, y1)]
    means = [ImageStat.Stat(rgb.crop(edge)).mean for edge in edges]
    return "#" + "".join(f"{round(sum(mean[band] for mean in means) / len(means)):02x}" for band in range(3))
