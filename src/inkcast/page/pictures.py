"""Panel pictures as they go onto the page: cropped, and resampled to the page's resolution."""

from __future__ import annotations

import io

from PIL import Image, ImageFilter

from inkcast.page.setting import SetPicture

_ENLARGE_AT_MOST = 6.0


def prepare(picture: Image.Image, item: SetPicture, dpi: int) -> Image.Image:
    """The cropped picture at the size it is printed.

    Lanczos both ways; small pictures are enlarged, then sharpened a little.
    """
    cropped = picture.convert("RGB").crop(item.crop)
    width = round((item.box[2] - item.box[0]) / 25.4 * dpi)
    scale = min(width / cropped.width, _ENLARGE_AT_MOST)
    size = max(1, round(cropped.width * scale)), max(1, round(cropped.height * scale))
    resized = cropped.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if scale > 1.5:
        resized = resized.filter(ImageFilter.UnsharpMask(radius=scale * 0.6, percent=60, threshold=2))
    return resized


def encoded(picture: Image.Image) -> bytes:
    """A JPEG without chroma subsampling: drawn lines stay clean, and PDF and EPUB embed it as it is."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=93, subsampling=0)
    return buffer.getvalue()
