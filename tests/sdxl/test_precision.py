"""bfloat16 in channels-last, as CPUs with AMX draw, gives the pictures of float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from inkcast.cast.character import Character, CharacterId
from inkcast.drawing.easel import usual
from inkcast.engines.engine import Conditioning, Member, PanelPrompt, Style
from inkcast.engines.registry import ENGINES, load_engine
from inkcast.images import Reference, open_picture
from inkcast.sampling.sampler import DrawSettings, draw
from inkcast.sdxl.attention import AttentionMemory
from inkcast.sdxl.backbone import Backbone, load_backbone
from inkcast.sdxl.prompts import encode_prompt

SSIM_WANTED = 0.98
NOUNS = {"Ann": "girl", "Rolf": "bear"}
SCENES = (
    (("Ann",), " is waving in the park"),
    (("Ann", "Rolf"), " are standing in the kitchen"),
    (("Rolf", "Ann"), " are dancing on the beach"),
)
SEEDS = (1, 2, 3, 4)
EXAMPLE = Path(__file__).parents[2] / "examples" / "lantern"


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Mean structural similarity of two RGB pictures (Wang et al. 2004): Gaussian windows of sigma 1.5."""

    def blurred(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, sigma=(1.5, 1.5, 0), truncate=3.5)

    x, y = a.astype(float), b.astype(float)
    mean_x, mean_y = blurred(x), blurred(y)
    var_x, var_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    both = blurred(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(
        np.mean((2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))
    )


def drawn(base: Backbone, words: str, steps: int) -> np.ndarray:
    with torch.no_grad():
        made = Conditioning(encode_prompt(base, words, ""), AttentionMemory(), AttentionMemory())
    (picture,) = draw(base, made, DrawSettings((base.side, base.side), steps=steps, guidance=5.0, seed=3))
    return np.asarray(picture)


def pictures(name: str, dtype: torch.dtype, seeds: tuple[int, ...] = SEEDS) -> list[np.ndarray]:
    """By an engine on the toon base with its usual settings: one of the example's characters, then both, twice."""
    base = load_backbone("toon", device="cpu", dtype=dtype)
    engine = load_engine(name, base)
    own, cast, found = usual(engine, base), {}, []
    for who in NOUNS:
        path = EXAMPLE / f"{who.lower()}.png"
        reference = Reference(open_picture(path), who, source=path.name)
        cast[CharacterId(who)] = engine.encode(Character(CharacterId(who), who, (reference,)))
    for people, deed in SCENES:
        members = tuple(Member(CharacterId(who), who, NOUNS[who]) for who in people)
        words = [part for member in members for part in (" and ", member.id)][1:]
        with torch.no_grad(), engine.active():
            asked = engine.condition(PanelPrompt((*words, deed), members), cast, Style())
            for seed in seeds:
                settings = DrawSettings((base.side, base.side), 25, own.guidance, scheduler=own.scheduler, seed=seed)
                found.append(np.asarray(draw(base, asked, settings)[0]))
    return found


def test_ssim_is_one_of_equals_and_less_of_others() -> None:
    x = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert ssim(x, x) == pytest.approx(1)
    assert ssim(x, 255 - x) < 0
    assert 0.9 < ssim(x, np.clip(x.astype(int) + 3, 0, 255).astype(np.uint8)) < 1


@pytest.mark.parametrize("amx", [True, False])
def test_amx_chooses_bfloat16_in_channels_last_by_itself(tiny_base_folder: Any, monkeypatch, amx: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    base = load_backbone(tiny_base_folder, device="cpu")
    assert base.dtype is (torch.bfloat16 if amx else torch.float32)
    assert {parameter.dtype for parameter in base.unet.parameters()} == {base.dtype}
    assert base.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    asked = load_backbone(tiny_base_folder, device="cpu", dtype=torch.float32)
    assert asked.dtype is torch.float32


@pytest.mark.slow
def test_bfloat16_draws_what_float32_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    fast = load_backbone("toon", device="cpu")
    assert fast.dtype is torch.bfloat16
    exact = load_backbone("toon", device="cpu", dtype=torch.float32)
    for words in ("a girl waving in the park", "a cat on the beach"):
        assert ssim(drawn(fast, words, 25), drawn(exact, words, 25)) >= SSIM_WANTED


@pytest.mark.slow
def test_engines_that_take_bfloat16_draw_what_they_draw_in_float32() -> None:
    taking = [one.name for one in ENGINES if not one.exact]
    assert taking == ["ip-adapter", "stable-identity"]  # the latter's words go the way of all words, tested above
    for fast, exact in zip(
        *(pictures("ip-adapter", kind, (1,)) for kind in (torch.bfloat16, torch.float32)), strict=True
    ):
        assert ssim(fast, exact) >= SSIM_WANTED
