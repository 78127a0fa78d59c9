"""Pictures as HTML: small, inside the page itself, so that they have no address to guess."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool

TINT = (226, 61, 40)  # laid over what is not the subject


def data_uri(picture: Image.Image, side: int = 512, quality: int = 82) -> str:
    """The picture as a WebP data address, its longer side at most `side` pixels."""
    small = picture.convert("RGBA" if picture.mode in ("RGBA", "LA") else "RGB")
    if max(small.size) > side:
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=quality, method=2)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def img(picture: Image.Image, alt: str, side: int = 512) -> str:
    return f'<img src="{data_uri(picture, side)}" alt="{escape(alt, quote=True)}">'


def tinted(picture: Image.Image, mask: Bool[np.ndarray, "h w"]) -> Image.Image:
    """The picture with everything outside the mask veiled."""
    plain = picture.convert("RGB")
    veil = Image.blend(plain, Image.new("RGB", plain.size, TINT), 0.55)
    return Image.composite(plain, veil, Image.fromarray(mask))


def empty(title: str, advice: str) -> str:
    """What stands where nothing is yet: what that means, and what to do."""
    return f'<div class="ink-empty"><strong>{escape(title)}</strong><p>{escape(advice)}</p></div>'


@lru_cache(maxsize=512)
def small(data: bytes, side: int = 320) -> str:
    """A picture file as a small data address."""
    with Image.open(io.BytesIO(data)) as picture:
        return data_uri(picture, side)


def opened(data: bytes) -> Image.Image:
    """A picture file of the studio's own."""
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")
