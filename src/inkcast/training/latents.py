"""A memory-mapped cache of the drawn world behind the autoencoder: latents and tokenised captions, made once.

Made in chunks, each flushed before it is counted, so that a killed run goes on where it was. What a cache was made
from stands in `cache.json`; a cache of anything else is refused, not reused.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import UInt8
from numpy.lib.format import open_memmap
from rich.console import Console
from rich.progress import Progress as Bars
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPTokenizer

from inkcast.errors import TrainingError
from inkcast.files import write_text
from inkcast.toon.base import TOKENS
from inkcast.toon.captions import caption
from inkcast.toon.dataset import sample_scene
from inkcast.toon.renderer import render
from inkcast.toon.world import Scene
from inkcast.training.loading import be_modest
from inkcast.training.objective import generator
from inkcast.vision.crops import to_tensor

FACTS = "cache.json"
ARRAYS = ("latents", "tokens", "subjects")
CHUNK = 256
FULL, NEARLY_ALL = 8, 0.9


@dataclass(frozen=True)
class Plan:
    """What the cache holds. `captions` wordings a picture; `looks` the share of actors whose looks a wording names.

    Every other wording describes: it names up to `FULL` looks of nearly everybody, so that reading words pays early.
    """

    seed: int
    pictures: int
    size: int
    captions: int
    looks: float
    star_share: float
    vae: str
    vocabulary: str


def scene_of(plan: Plan, index: int) -> Scene:
    """The cache's scene `index`, always the same."""
    return sample_scene(generator(plan.seed, "scene", index), star_share=plan.star_share)


@dataclass(frozen=True)
class Drawn:
    """Samples `picture` (uint8 [h, w, 3]), `subjects` (bool [h, w]), `tokens` int16 [captions, TOKENS], by index."""

    plan: Plan
    tokenizer: CLIPTokenizer
    first: int

    def __len__(self) -> int:
        return self.plan.pictures - self.first

    def __getitem__(self, offset: int) -> dict[str, Tensor]:
        index = self.first + offset
        scene, rng = scene_of(self.plan, index), generator(self.plan.seed, "caption", index)
        texts = wordings(self.plan, scene, rng)
        rendering = render(scene, self.plan.size)
        return {
            "picture": torch.from_numpy(rendering.image.copy()),
            "subjects": torch.from_numpy(rendering.instances > 0),
            "tokens": torch.tensor(tokenised(self.tokenizer, texts), dtype=torch.int16),
        }


def wordings(plan: Plan, scene: Scene, rng: np.random.Generator) -> list[str]:
    """The plan's captions of a scene, every second one with full descriptions."""
    return [
        caption(scene, rng, NEARLY_ALL, FULL) if number % 2 else caption(scene, rng, plan.looks)
        for number in range(plan.captions)
    ]


def tokenised(tokenizer: CLIPTokenizer, texts: list[str]) -> list[list[int]]:
    """Token numbers [texts, TOKENS] as the pipeline makes them: cut, then padded with the end mark."""
    return tokenizer(texts, padding="max_length", max_length=TOKENS, truncation=True).input_ids


@dataclass(frozen=True)
class Latents:
    """The finished cache: unscaled latent means fp16 [pictures, c, h, w], tokens int16 [pictures, captions, TOKENS],
    and `subjects` uint8 [pictures, h, w], the share of each latent's pixels (of 255) that some subject covers."""

    plan: Plan
    latents: np.ndarray
    tokens: np.ndarray
    subjects: np.ndarray


def prepare(folder: Path, plan: Plan, vae: Any, tokenizer: CLIPTokenizer, workers: int) -> Latents:
    """The cache in `folder`, made or finished if need be; `TrainingError` if it holds a cache of another plan."""
    finished = start(folder, plan, vae)
    latents, tokens, subjects = (open_memmap(folder / f"{name}.npy", mode="r+") for name in ARRAYS)
    if finished < plan.pictures:
        loader = DataLoader(
            cast(Dataset[dict[str, Tensor]], Drawn(plan, tokenizer, finished)),
            batch_size=CHUNK,
            num_workers=workers,
            worker_init_fn=be_modest if workers else None,
            generator=torch.Generator(),  # torch's own chance decides the first weights, cache or no cache
        )
        with Bars(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bars:
            for batch in bars.track(loader, description="latents"):
                stop = finished + len(batch["picture"])
                latents[finished:stop] = encoded(vae, batch["picture"]).cpu().numpy()
                tokens[finished:stop] = batch["tokens"].numpy()
                subjects[finished:stop] = covered(batch["subjects"], latents.shape[-1]).numpy()
                for array in (latents, tokens, subjects):
                    array.flush()
                finished = stop
                write_text(folder / FACTS, json.dumps({**asdict(plan), "finished": finished}) + "\n")
    return open_cache(folder)


def open_cache(folder: Path) -> Latents:
    """A finished cache, to be read; `TrainingError` if there is none."""
    try:
        facts = json.loads((folder / FACTS).read_text())
    except FileNotFoundError:
        raise TrainingError(f"no cache of latents in {folder}: train recipes/toon-unet.toml first") from None
    finished, plan = facts.pop("finished"), Plan(**facts)
    if finished < plan.pictures:
        raise TrainingError(f"the cache in {folder} is unfinished: run recipes/toon-unet.toml again")
    try:
        return Latents(plan, *(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS))
    except FileNotFoundError as error:
        raise TrainingError(
            f"the cache in {folder} lacks {error.filename}: remove the cache and make it anew"
        ) from None


def start(folder: Path, plan: Plan, vae: Any) -> int:
    """How many pictures are done; lays out the files where there are none."""
    if (folder / FACTS).exists():
        facts = json.loads((folder / FACTS).read_text())
        finished = facts.pop("finished")
        if facts != asdict(plan):
            raise TrainingError(f"{folder} caches other pictures or another vae: remove it, or set parameters.cache=…")
        return int(finished)
    folder.mkdir(parents=True, exist_ok=True)
    side = plan.size // 2 ** (len(vae.config.block_out_channels) - 1)
    shape = (plan.pictures, vae.config.latent_channels, side, side)
    open_memmap(folder / "latents.npy", mode="w+", dtype=np.float16, shape=shape).flush()
    open_memmap(folder / "tokens.npy", mode="w+", dtype=np.int16, shape=(plan.pictures, plan.captions, TOKENS)).flush()
    open_memmap(folder / "subjects.npy", mode="w+", dtype=np.uint8, shape=(plan.pictures, side, side)).flush()
    write_text(folder / FACTS, json.dumps({**asdict(plan), "finished": 0}) + "\n")
    return 0


def covered(masks: Tensor, side: int) -> Tensor:
    """bool [b, h, w] to uint8 [b, side, side]: how much of each cell is True, 255 being all of it."""
    return (F.adaptive_avg_pool2d(masks.float(), side) * 255).round().to(torch.uint8)


@torch.no_grad()
def redrawn(vae: Any, pictures: UInt8[np.ndarray, "n h w 3"], batch: int = 16) -> UInt8[np.ndarray, "n h w 3"]:
    """What the autoencoder makes of pictures (the posterior's mean)."""
    parts = []
    for start in range(0, len(pictures), batch):
        x = to_tensor(pictures[start : start + batch]).to(vae.device, vae.dtype) * 2 - 1
        decoded = vae.decode(vae.encode(x).latent_dist.mode()).sample.float()
        parts.append(((decoded + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu())
    return rearrange(torch.cat(parts), "n c h w -> n h w c").numpy()


@torch.no_grad()
def encoded(vae: Any, pictures: Tensor) -> Tensor:
    """uint8 [b, h, w, 3] to the posterior's mean in fp16, not scaled."""
    pixels = pictures.to(vae.device).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.autocast(vae.device.type, torch.bfloat16):
        parts = [vae.encode(part).latent_dist.mode() for part in pixels.split(32)]
    return torch.cat(parts).half()
