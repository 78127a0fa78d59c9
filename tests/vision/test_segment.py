"""How a reference's subject is told from the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkcast.errors import BaseModelError, MissingExtraError, PictureError
from inkcast.images import Reference
from inkcast.vision.segment import RembgSegmenter, cut_out


class Left:
    """Sees a subject in the left half."""

    def segment(self, picture: np.ndarray) -> np.ndarray:
        mask = np.zeros(picture.shape[:2], bool)
        mask[:, : picture.shape[1] // 2] = True
        return mask


class Blind:
    def segment(self, picture: np.ndarray) -> np.ndarray:
        return np.zeros(picture.shape[:2], bool)


def busy() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8))


def test_a_given_mask_comes_first() -> None:
    mask = Image.new("L", (20, 20))
    mask.paste(255, (2, 3, 10, 12))
    cut = cut_out(Reference(busy(), "", mask=mask), Left())
    assert cut.how == "mask"
    assert cut.mask.sum() == 8 * 9


def test_alpha_before_the_model() -> None:
    picture = busy().convert("RGBA")
    picture.putalpha(Image.new("L", (20, 20), 0))
    picture.paste((1, 2, 3, 255), (5, 5, 9, 9))
    cut = cut_out(Reference(picture, ""), Left())
    assert cut.how == "alpha"
    assert cut.mask.sum() == 16


def test_faint_alpha_cuts_nothing_out() -> None:
    faint = busy().convert("RGBA")
    faint.putalpha(127)
    assert cut_out(Reference(faint, ""), Left()).how == "model"
    whole = cut_out(Reference(faint, ""))
    assert whole.how == "whole picture"
    assert whole.mask.all()


def test_a_mask_that_shows_nobody_is_refused() -> None:
    with pytest.raises(PictureError, match=r"the mask of \S*ann\.png\S* has no white"):
        cut_out(Reference(busy(), "", source="ann.png", mask=Image.new("L", (20, 20))), Left())


def test_a_plain_background_needs_no_model() -> None:
    picture = Image.new("RGB", (20, 20), (250, 250, 250))
    picture.paste((200, 30, 30), (6, 6, 14, 18))
    cut = cut_out(Reference(picture, ""), Left())
    assert cut.how == "plain background"
    assert cut.mask.sum() == 8 * 12


def test_else_the_model_else_everything() -> None:
    reference = Reference(busy(), "")
    assert cut_out(reference, Left()).how == "model"
    assert cut_out(reference, Left()).mask.sum() == 200
    for blind in (cut_out(reference, Blind()), cut_out(reference)):
        assert blind.how == "whole picture"
        assert blind.mask.all()


def test_rembg_never_goes_to_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    for name in ("REMBG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    with pytest.raises(BaseModelError, match=r"isnet-anime\.onnx is not in"):
        RembgSegmenter().session  # noqa: B018 - loading is what is tested
    with pytest.raises(BaseModelError, match="unknown segmentation model 'bria-rmbg'"):
        RembgSegmenter("bria-rmbg").session  # noqa: B018
    (tmp_path / "isnet-anime.onnx").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "rembg", None)
    with pytest.raises(MissingExtraError, match="segment"):
        RembgSegmenter().session  # noqa: B018
