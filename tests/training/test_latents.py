"""The cache of latents: made once, finished after a kill, refused when it is of something else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer

from inkcast.errors import TrainingError
from inkcast.toon.renderer import render
from inkcast.toon.world import Look
from inkcast.training import latents
from inkcast.training.latents import Plan, open_cache, prepare, scene_of, wordings
from inkcast.training.tokenizer import vocabulary
from inkcast.training.toon_unet import load_vae

PLAN = Plan(seed=1, pictures=24, size=32, captions=3, looks=0.3, star_share=0.5, vae="v", vocabulary="w")


@pytest.fixture
def tokenizer() -> CLIPTokenizer:
    return vocabulary([]).tokenizer()


def test_latents_are_the_encoded_pictures(toon_vae_folder: Path, tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    vae = load_vae(toon_vae_folder, torch.device("cpu"))
    cache = prepare(tmp_path, PLAN, vae, tokenizer, workers=0)
    assert cache.latents.shape == (24, 4, 8, 8)
    assert cache.tokens.shape == (24, 3, 77)
    picture = torch.from_numpy(render(scene_of(PLAN, 17), 32).image.copy()).permute(2, 0, 1)[None] / 127.5 - 1
    mean = vae.encode(picture).latent_dist.mean[0]
    assert np.allclose(cache.latents[17], mean.detach(), atol=0.05 * float(mean.abs().max()))
    words = tokenizer.decode(cache.tokens[17, 0].tolist(), skip_special_tokens=True)
    assert any(actor.subject.kind in words.replace(" ", "") or actor.name for actor in scene_of(PLAN, 17).actors)
    assert len({tuple(row) for row in cache.tokens[:, :].reshape(-1, 77).tolist()}) > 48
    shares = [
        (rendering_of(n).reshape(8, 4, 8, 4).mean((1, 3)) * 255).round() for n in range(24)
    ]  # of each latent's 4 x 4 pixels
    assert np.abs(cache.subjects.astype(float) - np.stack(shares)).max() <= 1


def rendering_of(number: int) -> np.ndarray:
    return render(scene_of(PLAN, number), 32).instances > 0


def test_every_second_wording_describes() -> None:
    plan = replace(PLAN, looks=0.0, captions=4, star_share=0.0)
    for number in range(20):
        scene = scene_of(plan, number)
        looks = [actor.subject for actor in scene.actors if isinstance(actor.subject, Look)]
        texts = wordings(plan, scene, np.random.default_rng(number))
        assert not any(re.search(r" with (an? |)\w+ (skin|fur|hair|ears|top|eyes)", text) for text in texts[::2])
        assert len(looks) < 2 or sum(len(text) for text in texts[1::2]) > 1.3 * sum(len(text) for text in texts[::2])


def test_a_killed_preparation_goes_on(
    toon_vae_folder: Path, tokenizer: CLIPTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = load_vae(toon_vae_folder, torch.device("cpu"))
    monkeypatch.setattr(latents, "CHUNK", 10)
    whole = prepare(tmp_path / "whole", PLAN, vae, tokenizer, workers=0)
    encoded, calls = latents.encoded, []

    def dies(*arguments: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encoded(*arguments)

    monkeypatch.setattr(latents, "encoded", dies)
    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path / "cut", PLAN, vae, tokenizer, workers=0)
    assert json.loads((tmp_path / "cut" / "cache.json").read_text())["finished"] == 10
    with pytest.raises(TrainingError, match="unfinished"):
        open_cache(tmp_path / "cut")
    cut = prepare(tmp_path / "cut", PLAN, vae, tokenizer, workers=1)
    assert len(calls) == 4
    assert np.array_equal(cut.latents, whole.latents)
    assert np.array_equal(cut.tokens, whole.tokens)
    prepare(tmp_path / "cut", PLAN, vae, tokenizer, workers=0)
    assert len(calls) == 4


def test_another_plan_is_refused(toon_vae_folder: Path, tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    vae = load_vae(toon_vae_folder, torch.device("cpu"))
    prepare(tmp_path, replace(PLAN, pictures=2), vae, tokenizer, workers=0)
    with pytest.raises(TrainingError, match="caches other pictures or another vae"):
        prepare(tmp_path, replace(PLAN, pictures=2, vae="x"), vae, tokenizer, workers=0)
    with pytest.raises(TrainingError, match="no cache of latents"):
        open_cache(tmp_path / "absent")
