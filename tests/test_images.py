"""The one door for pictures: what comes in comes in upright, in sRGB; everything else is one PictureError."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from inkcast.errors import OutputError, PictureError
from inkcast.images import FORMATS, Limits, encode_png, load_reference, open_picture, save_png

NOISE = np.random.default_rng(0).integers(0, 256, (40, 24, 3), dtype=np.uint8)
EXACT = ("PNG", "BMP")


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def noise(kind: str = "PNG", **options: object) -> bytes:
    return encoded(Image.fromarray(NOISE), kind, **options)


def refused(data: bytes | str | Path, **options: object) -> str:
    with pytest.raises(PictureError) as caught:
        open_picture(data, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int, data: bytes = b"") -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_comes_in_as_rgb(kind: str, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(noise(kind))
    image = open_picture(tmp_path / "picture")
    assert (image.mode, image.size, image.info) == ("RGB", (24, 40), {})
    assert type(image) is Image.Image
    assert kind not in EXACT or np.array_equal(image, NOISE)
    assert open_picture(noise(kind)).tobytes() == image.tobytes()


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, lambda upright: upright),
        (2, lambda upright: upright[:, ::-1]),
        (3, lambda upright: upright[::-1, ::-1]),
        (4, lambda upright: upright[::-1]),
        (5, lambda upright: upright.transpose(1, 0, 2)),
        (6, lambda upright: np.rot90(upright)),
        (7, lambda upright: upright[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda upright: np.rot90(upright, -1)),
        (99, lambda upright: upright),
    ],
)
def test_pictures_are_turned_upright(orientation: int, stored: object) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = Image.fromarray(np.ascontiguousarray(stored(NOISE)))  # type: ignore[operator]
    assert np.array_equal(open_picture(encoded(turned, exif=exif.tobytes())), NOISE)


def swapped_primaries() -> bytes:
    """An RGB profile whose red is sRGB's green and the reverse."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize("alpha", [False, True])
def test_profiles_are_converted_to_srgb(alpha: bool) -> None:
    image = Image.new("RGB", (16, 16), (220, 40, 90))
    if alpha:
        image.putalpha(Image.linear_gradient("L").resize((16, 16)))
    found = open_picture(encoded(image, icc_profile=swapped_primaries()))
    assert found.mode == ("RGBA" if alpha else "RGB")
    assert np.abs(np.asarray(found, int)[..., :3] - (40, 220, 90)).max() <= 3
    assert not alpha or found.getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_a_profile_that_is_junk_is_taken_as_srgb() -> None:
    assert np.array_equal(open_picture(noise(icc_profile=b"junk" * 50)), NOISE)


def test_cmyk_comes_in_as_rgb() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = open_picture(encoded(image, "JPEG", quality=100)).getpixel((3, 3))  # type: ignore[misc]
    assert red > 250
    assert max(green, blue) < 5


@pytest.mark.parametrize("value", [0, 257, 40000, 65535])
def test_sixteen_bits_are_scaled_not_clipped(value: int) -> None:
    image = Image.fromarray(np.full((16, 16), value, np.uint16))
    red, green, blue = open_picture(encoded(image)).getpixel((0, 0))  # type: ignore[misc]
    assert red == green == blue
    assert abs(red - value / 257) < 1


def test_grey_palette_and_two_colours_come_in_as_rgb() -> None:
    image = Image.fromarray(NOISE)
    assert np.array_equal(open_picture(encoded(image.convert("L"))), image.convert("L").convert("RGB"))
    assert np.array_equal(open_picture(encoded(image.convert("1"))), image.convert("1").convert("RGB"))
    assert np.array_equal(open_picture(encoded(image.quantize(8))), image.quantize(8).convert("RGB"))


def test_transparency_is_kept_whatever_holds_it() -> None:
    alpha = Image.linear_gradient("L").resize((24, 40))
    image = Image.fromarray(NOISE)
    image.putalpha(alpha)
    assert open_picture(encoded(image)).tobytes() == image.tobytes()
    grey = Image.merge("LA", (image.convert("RGB").convert("L"), alpha))
    assert open_picture(encoded(grey)).tobytes() == grey.convert("RGBA").tobytes()
    palette = Image.fromarray(NOISE).quantize(4)
    found = open_picture(encoded(palette, transparency=1))
    assert found.mode == "RGBA"
    assert np.array_equal(np.asarray(found.getchannel("A")) == 0, np.asarray(palette) == 1)
    keyed = open_picture(encoded(Image.fromarray(NOISE), transparency=tuple(NOISE[0, 0].tolist())))
    assert keyed.mode == "RGBA"
    assert keyed.getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_an_alpha_that_hides_nothing_is_dropped() -> None:
    opaque = Image.fromarray(NOISE).convert("RGBA")
    assert np.array_equal(open_picture(encoded(opaque)), NOISE)
    opaque.putalpha(0)
    assert "wholly transparent" in refused(encoded(opaque))


def test_what_is_no_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path / "none.png").endswith("none.png' does not exist; check the path")
    assert "is a folder" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "not a plain file" in refused(tmp_path / "pipe")
    assert "null" in refused("a\0b")
    assert "too long" in refused("x" * 5000)
    (tmp_path / "empty.png").touch()
    assert "is empty" in refused(tmp_path / "empty.png")
    assert "a\\nb" in refused("a\nb")

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    assert "may not be read" in refused(tmp_path / "empty.png")


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "ICO", "TGA", "PCX", "JPEG2000", "EPS", "PDF"])
def test_other_formats_are_refused(kind: str) -> None:
    assert "not a picture of a known format" in refused(noise(kind))


@pytest.mark.parametrize("text", ["<svg xmlns='http://www.w3.org/2000/svg'/>", "hello", "MZ" + "\0" * 500])
def test_what_is_no_picture_is_refused(text: str) -> None:
    assert "not a picture of a known format" in refused(text.encode())


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_several_frames_are_refused(kind: str) -> None:
    frames = [Image.fromarray(np.roll(NOISE, shift, axis=1)) for shift in (0, 5, 9)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert "animated or has several pages" in refused(data)


def test_a_phone_s_photograph_with_a_preview_behind_it_is_taken() -> None:
    image = Image.fromarray(NOISE)
    data = encoded(image, "MPO", save_all=True, append_images=[image.resize((16, 16))])
    assert open_picture(data).size == image.size


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_files_cut_short_are_refused(kind: str, part: float) -> None:
    data = noise(kind)
    refused(data[: int(len(data) * part)])


def test_bombs_are_refused_before_they_unpack() -> None:
    assert "too many pixels" in refused(png_header(60000, 60000))
    assert "9000 x 9000 pixels" in refused(png_header(9000, 9000))
    assert "20000 x 2000 pixels" in refused(png_header(20000, 2000))
    text = png_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(100_000_000)))
    data = noise()
    assert "damaged" in refused(data[:33] + text + data[33:])


def test_absurd_sizes_are_refused() -> None:
    assert "only 1 x 1 pixels" in refused(encoded(Image.new("RGB", (1, 1))))
    assert "only 100 x 15 pixels" in refused(encoded(Image.new("RGB", (100, 15))))
    assert "longer than 12 times" in refused(encoded(Image.new("RGB", (16, 193))))
    assert open_picture(encoded(Image.new("RGB", (16, 192)))).size == (16, 192)


def test_limits_are_the_caller_s_or_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(noise())
    for limits in (
        Limits(bytes=1000),
        Limits(pixels=900),
        Limits(max_side=39),
        Limits(min_side=25),
        Limits(aspect=1.5),
    ):
        refused(tmp_path / "picture", limits=limits)
        refused(noise(), limits=limits)
    monkeypatch.setenv("INKCAST_PICTURE_MIN_SIDE", "25")
    assert "at least 25 pixels" in refused(tmp_path / "picture")
    monkeypatch.setenv("INKCAST_PICTURE_MIN_SIDE", "16")
    monkeypatch.setenv("INKCAST_PICTURE_MEGABYTES", "0.001")
    assert "larger than 0.001 MB" in refused(tmp_path / "picture")


WHOLE = [noise(kind) for kind in FORMATS]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", *(whole[:40] for whole in WHOLE)]))
def test_random_bytes_raise_nothing_else(tail: bytes, head: bytes) -> None:
    with pytest.raises(PictureError):
        open_picture(head + tail)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_files_raise_nothing_else(data: st.DataObject) -> None:
    """Cut short, with bytes overwritten or put in: a whole picture or a PictureError."""
    whole = data.draw(st.sampled_from(WHOLE))
    damaged = bytearray(whole[: data.draw(st.integers(1, len(whole)))])
    # most of what a decoder believes stands at the head of a file
    places = st.integers(0, min(len(damaged), 200) - 1) | st.integers(0, len(damaged) - 1)
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(places)
        damaged[at : at + data.draw(st.integers(0, 1))] = data.draw(st.binary(max_size=4))
        if not damaged:
            return
        places = st.integers(0, len(damaged) - 1)
    try:
        image = open_picture(bytes(damaged))
    except PictureError:
        return
    assert image.mode in ("RGB", "RGBA")
    assert len(image.tobytes()) == image.width * image.height * len(image.mode)


def test_a_reference_has_its_digest_view_and_mask(tmp_path: Path) -> None:
    (tmp_path / "ann.png").write_bytes(noise())
    mask = Image.new("L", (24, 40))
    mask.paste(255, (5, 5, 20, 30))
    mask.save(tmp_path / "mask.png")
    found = load_reference(tmp_path / "ann.png", "side", mask=tmp_path / "mask.png")
    assert found.digest == hashlib.sha256(noise()).hexdigest()
    assert (found.view, found.source) == ("side", str(tmp_path / "ann.png"))
    assert np.array_equal(found.image, NOISE)
    assert found.mask is not None
    assert found.mask.tobytes() == mask.tobytes()
    plain = load_reference(str(tmp_path / "ann.png"))
    assert (plain.view, plain.mask) == ("front", None)
    mask.resize((20, 20)).save(tmp_path / "mask.png")
    with pytest.raises(PictureError, match=r"20 x 20 pixels.*24 x 40"):
        load_reference(tmp_path / "ann.png", mask=tmp_path / "mask.png")


def test_a_mask_that_shows_nobody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ann.png").write_bytes(noise())
    Image.new("L", (24, 40), 127).save(tmp_path / "black.png")
    with pytest.raises(PictureError, match=r"mask \S*black\.png\S* has no white: paint the character white"):
        load_reference(tmp_path / "ann.png", mask=tmp_path / "black.png")


def test_a_png_s_bytes_depend_on_pixels_and_text_alone() -> None:
    image = Image.fromarray(NOISE)
    plain = encode_png(image, {"seed": "1", "prompt": "Ann, ☕\nand “Bob”"})
    dressed = open_picture(plain)
    dressed.info = {"dpi": (72, 72), "icc_profile": b"x", "comment": "x", "gamma": 0.5}
    assert encode_png(dressed, {"prompt": "Ann, ☕\nand “Bob”", "seed": "1"}) == plain
    assert dressed.info["comment"] == "x"
    with Image.open(io.BytesIO(plain)) as again:
        assert again.text == {"seed": "1", "prompt": "Ann, ☕\nand “Bob”"}  # type: ignore[attr-defined]
        assert np.array_equal(again, NOISE)
    assert encode_png(image) != plain


def test_a_png_is_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.fromarray(NOISE)
    save_png(image, tmp_path / "new" / "a.png", {"seed": "1"})
    assert (tmp_path / "new" / "a.png").read_bytes() == encode_png(image, {"seed": "1"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"a\.png': the disk is full"):
        save_png(image.rotate(90), tmp_path / "new" / "a.png")
    assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [encode_png(image, {"seed": "1"})]
