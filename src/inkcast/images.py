"""The one door for pictures: whatever a person hands in becomes an upright sRGB picture, or one clear error."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from inkcast.config import settings
from inkcast.errors import PictureError
from inkcast.files import shown, write_bytes

# No TIFF: libtiff writes its complaints straight to standard error, and is the decoder with the longest list of holes.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF")
SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")
SUBJECT = 128
"""What a mask's pixel, or alpha, must at least be to belong to the subject."""
UPRIGHT = {  # by the value of EXIF's orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Limits:
    """What is too much: bytes of a file, pixels of a picture, pixels of a side, long side over short side."""

    bytes: int = 64 * 10**6
    pixels: int = 64 * 10**6
    min_side: int = 16
    max_side: int = 16384
    aspect: float = 12.0


@dataclass(frozen=True)
class Reference:
    """One picture of a character.

    `image` is RGB or RGBA as `open_picture` returned it (alpha, where present, cuts the subject out); `mask` (mode "L",
    same size, 255 = subject) overrides what segmentation would find; `digest` is the SHA-256 of the file's bytes;
    `source` says where the picture came from and `consent` why it may be used; `view` is "front", "side", "back" or
    "close-up"; `state` names the outfit or age state it shows (empty: the usual one).
    """

    image: Image.Image
    digest: str
    source: str = ""
    view: str = "front"
    mask: Image.Image | None = None
    consent: str = ""
    state: str = ""


def configured_limits() -> Limits:
    """The limits as the settings have them."""
    chosen = settings()
    return Limits(
        bytes=int(chosen.picture_megabytes * 10**6),
        pixels=int(chosen.picture_megapixels * 10**6),
        min_side=chosen.picture_min_side,
        max_side=chosen.picture_max_side,
        aspect=chosen.picture_aspect,
    )


def open_picture(
    path_or_bytes: str | os.PathLike[str] | bytes, *, limits: Limits | None = None, name: str = ""
) -> Image.Image:
    """Opens a picture file, or the bytes of one.

    Args:
        limits: what to refuse as too much; by default as the settings have it.
        name: what messages call the picture; by default its path.

    Returns:
        Mode "RGB", or "RGBA" where some pixels are transparent; 8 bits, sRGB, upright (EXIF orientation applied),
        without any metadata.

    Raises:
        PictureError: missing, a folder or device, unreadable, too large, of another format, animated, truncated,
            of an absurd size, or wholly transparent.
    """
    limits = limits or configured_limits()
    if isinstance(path_or_bytes, bytes):
        return _decode(path_or_bytes, limits, shown(name) if name else "the picture")
    return _decode(read_picture_bytes(path_or_bytes, limits=limits), limits, shown(name or os.fspath(path_or_bytes)))


def load_reference(
    path: str | os.PathLike[str],
    view: str = "front",
    *,
    mask: str | os.PathLike[str] | None = None,
    limits: Limits | None = None,
) -> Reference:
    """Reads one picture of a character, and the mask that cuts the character out (white = character).

    Raises:
        PictureError: as `open_picture`, or the mask is of another size, or has no white.
    """
    limits = limits or configured_limits()
    data = read_picture_bytes(path, limits=limits)
    image = open_picture(data, limits=limits, name=os.fspath(path))
    cutout = None if mask is None else open_picture(mask, limits=limits).convert("L")
    if cutout is not None and cutout.size != image.size:
        raise PictureError(
            f"mask {shown(mask)} is {_size(cutout)} but picture {shown(path)} is {_size(image)}; make them equal"
        )
    if cutout is not None:
        check_mask(cutout, f"mask {shown(mask)}")
    return Reference(image, hashlib.sha256(data).hexdigest(), source=os.fspath(path), view=view, mask=cutout)


def shows_somebody(mask: Image.Image) -> bool:
    """Whether any pixel of a mask belongs to the subject."""
    return any(mask.convert("L").histogram()[SUBJECT:])


def check_mask(mask: Image.Image, name: str) -> None:
    """Raises PictureError for a mask that cuts nobody out."""
    if not shows_somebody(mask):
        raise PictureError(f"{name} has no white: paint the character white and the rest black, or leave the mask out")


def read_picture_bytes(path: str | os.PathLike[str], *, limits: Limits) -> bytes:
    """The bytes of a picture file; raises PictureError if it is missing, not a file, unreadable or too large."""
    file = Path(path)
    try:
        found = file.stat()
        if stat.S_ISDIR(found.st_mode):
            raise PictureError(f"{shown(path)} is a folder; name a picture file")
        if not stat.S_ISREG(found.st_mode):
            raise PictureError(f"{shown(path)} is not a plain file; name a picture file")
        with file.open("rb") as stream:
            data = stream.read(limits.bytes + 1)
    except FileNotFoundError as error:
        raise PictureError(f"picture {shown(path)} does not exist; check the path") from error
    except PermissionError as error:
        raise PictureError(f"picture {shown(path)} may not be read; check its permissions") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise PictureError(
            f"picture {shown(path)} cannot be read: {getattr(error, 'strerror', '') or error}"
        ) from error
    if len(data) > limits.bytes:
        raise PictureError(f"picture {shown(path)} is larger than {limits.bytes / 1e6:g} MB; scale it down")
    return data


def encode_png(image: Image.Image, metadata: Mapping[str, str] | None = None) -> bytes:
    """The picture as a PNG file whose bytes depend on nothing but the pixels and the text fields `metadata`."""
    fields = PngImagePlugin.PngInfo()
    for key, text in sorted((metadata or {}).items()):
        fields.add_itxt(key, text)
    stream = io.BytesIO()
    # The copy drops `info`, from which Pillow would write profiles, resolution and comments.
    bare = image.copy()
    bare.info = {}
    bare.save(stream, "PNG", pnginfo=fields, compress_level=6)
    return stream.getvalue()


def save_png(image: Image.Image, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
    """Writes `encode_png` to `path`, whole or not at all; raises OutputError."""
    write_bytes(path, encode_png(image, metadata))


def _decode(data: bytes, limits: Limits, name: str) -> Image.Image:
    if not data:
        raise PictureError(f"{name} is empty; name a picture file")
    if len(data) > limits.bytes:
        raise PictureError(f"{name} is larger than {limits.bytes / 1e6:g} MB; scale it down")
    try:
        # Pillow warns of damage that the checks below judge; its warnings would be further lines.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                _check(opened, limits, name)
                opened.load()
                picture = _in_srgb(_upright(opened))
    except PictureError:
        raise
    except Image.UnidentifiedImageError as error:
        raise PictureError(f"{name} is not a picture of a known format; save it as PNG, JPEG or WebP") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"{name} unpacks to far too many pixels; scale it down") from error
    except Exception as error:  # decoders meet damaged bytes with errors of every class
        raise PictureError(f"{name} is damaged or cut short ({_reason(error)}); save it again") from error
    if picture.mode == "RGBA":
        lowest, highest = picture.getchannel("A").getextrema()
        if highest == 0:
            raise PictureError(f"{name} is wholly transparent; fill it, or name another picture")
        if lowest == 255:
            picture = picture.convert("RGB")
    picture.info = {}
    return picture


def _check(opened: Image.Image, limits: Limits, name: str) -> None:
    """Refuses by the header alone, before any pixel is unpacked."""
    short, long = sorted(opened.size)
    if short < limits.min_side:
        raise PictureError(f"{name} is only {_size(opened)}; use one of at least {limits.min_side} pixels a side")
    if long > limits.max_side or short * long > limits.pixels:
        raise PictureError(
            f"{name} is {_size(opened)}, more than {limits.pixels / 1e6:g} megapixels or {limits.max_side} a side; "
            "scale it down"
        )
    if long > limits.aspect * short:
        raise PictureError(f"{name} is {_size(opened)}, longer than {limits.aspect:g} times its width; crop it")
    # Phones write photographs as MPO: a JPEG with a preview or depth map behind it, not an animation.
    if opened.format != "MPO" and getattr(opened, "is_animated", False):
        raise PictureError(f"{name} is animated or has several pages; save one frame as PNG")


def _upright(image: Image.Image) -> Image.Image:
    # Pillow's exif_transpose also rewrites the EXIF data, and fails on tags it cannot write.
    turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _in_srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA in sRGB; a profile that cannot be applied is taken as sRGB."""
    profile = image.info.get("icc_profile")
    image = _eight_bit(image)
    transparent = image.has_transparency_data
    if image.mode in ("P", "PA", "1", "La", "RGBa"):
        image = image.convert("RGBA" if transparent else "RGB")
    if profile and (converted := _by_profile(image, profile, transparent)) is not None:
        return converted
    return image.convert("RGBA" if transparent else "RGB")


def _by_profile(image: Image.Image, profile: bytes, transparent: bool) -> Image.Image | None:
    colours = image.convert(image.mode.removesuffix("A")) if transparent else image
    try:
        converted = ImageCms.profileToProfile(
            colours, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if converted is not None and transparent:
        converted.putalpha(image.convert("RGBA").getchannel("A"))
    return converted


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode not in SIXTEEN_BIT:
        return image
    # Pillow's own conversion of these modes clips at 255 instead of scaling.
    return image.convert("I").point(lambda value: value * (1 / 257), "L")


def _size(image: Image.Image) -> str:
    return f"{image.width} x {image.height} pixels"


def _reason(error: Exception) -> str:
    told = getattr(error, "strerror", None) or str(error)
    return " ".join(told.split())[:80] or type(error).__name__
