"""The toon base's text-to-image half: UNet and text encoders, trained together on cached latents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from diffusers import AutoencoderKL
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from pydantic import Field
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from inkcast.errors import BaseModelError, TrainingError
from inkcast.pretrained import load_pretrained
from inkcast.toon.base import (
    TRAIN_STEPS,
    TextSize,
    UNetSize,
    pipeline_from,
    save_base,
    sd_unet_from,
    text_config,
    unet_from,
)
from inkcast.training.diffusion import alphas_bar, drawn_timestep, min_snr, noised, velocity, weighted_error
from inkcast.training.latents import Latents, Plan, prepare, tokenised
from inkcast.training.objective import Sample, Source, generator
from inkcast.training.recipe import Recipe, Table
from inkcast.training.tokenizer import toon_vocabulary

PROMPTS = (
    "a girl waving on the beach",
    "a bear reading a book in the library",
    "a boy and a cat shaking hands in the park",
    "a robot running in the street at night",
    "two rabbits dancing in the forest",
    "a dinosaur sitting in the desert, watercolor style",
    "an alien jumping on the moon",
    "a girl with red hair and a boy hugging in the kitchen",
    "a cat standing in the castle, close-up",
    "a boy with a blue striped top cheering in the mountains in the snow",
    "a girl and a robot passing a ball in a cave",
    "a bear with a red car in the street, pixel art",
)


class Parameters(Table):
    """Where the autoencoder and the cache lie, what the cache holds, the models' sizes, and the loss.

    `drop` is the share of captions replaced by the empty one (for guidance); `size_jitter` the share of samples whose
    stated sizes are random, so that other picture shapes do not surprise the UNet. Errors where a subject stands weigh
    `focus` times as much: backgrounds are learned long before who is in front of them. A `lean` above 1 draws noisy
    timesteps more often, where the words decide most (`drawn_timestep`). A base of `family` "sd" has the
    first text encoder only, and no stated sizes.
    """

    family: Literal["sdxl", "sd"] = "sdxl"

    vae: Path
    cache: Path
    pictures: int = 60_000
    captions: int = 4
    looks: float = 0.3
    star_share: float = 0.1
    data_seed: int = 7
    data_workers: int = 2
    size: int = 128
    merges: int = 1500
    unet: UNetSize = UNetSize()
    text: TextSize = TextSize()
    text_2: TextSize = TextSize()
    drop: float = 0.1
    size_jitter: float = 0.25
    snr_gamma: float = 0.0
    focus: float = 2.0
    lean: float = Field(1.0, gt=0)
    guidance: float = 4.0
    show_steps: int = 25


class TextToImage(nn.Module):
    """UNet and text encoders; without a second one, as SD 2 reads text. `alphas` are the noise schedule's
    `prod (1 - beta)`.
    """

    alphas: Tensor

    def __init__(
        self,
        unet: Any,
        text_encoder: CLIPTextModel,
        text_encoder_2: CLIPTextModelWithProjection | None,
        gamma: float,
        focus: float = 1.0,
    ) -> None:
        super().__init__()
        self.unet, self.text_encoder, self.text_encoder_2 = unet, text_encoder, text_encoder_2
        self.gamma, self.focus = gamma, focus
        self.register_buffer("alphas", alphas_bar(TRAIN_STEPS, 0.00085, 0.012), persistent=False)
        if text_encoder_2 is not None:
            freeze_unread(text_encoder)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        words, conditions = self.read(batch)
        x, noise, a = batch["latents"], batch["noise"], self.alphas[batch["timestep"]]
        prediction = self.unet(noised(x, noise, a), batch["timestep"], words, added_cond_kwargs=conditions).sample
        focus = 1 + (self.focus - 1) * batch["subjects"].float() / 255
        loss, each = weighted_error(prediction, velocity(x, noise, a), min_snr(a, self.gamma), focus)
        return {"loss": loss, "mse": each.mean()}

    def read(self, batch: dict[str, Tensor]) -> tuple[Float[Tensor, "b t d"], dict[str, Tensor] | None]:
        """What the UNet reads of a caption: its words, and SDXL's pooled vector and sizes."""
        if self.text_encoder_2 is None:
            return self.text_encoder(batch["tokens"]).last_hidden_state, None
        words, pooled = encode_text((self.text_encoder, self.text_encoder_2), batch["tokens"])
        return words, {"text_embeds": pooled, "time_ids": batch["time_ids"]}


def encode_text(
    encoders: Sequence[Any], tokens: Int[Tensor, "b t"], tokens_2: Int[Tensor, "b t"] | None = None
) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b p"]]:
    """As SDXL reads text: both encoders' last hidden states but one, side by side, and the second's pooled vector.

    `tokens_2` where the second encoder's tokenizer is not the first's.
    """
    read = (tokens, tokens if tokens_2 is None else tokens_2)
    one, two = (encoder(words, output_hidden_states=True) for encoder, words in zip(encoders, read, strict=True))
    return torch.cat([one.hidden_states[-2], two.hidden_states[-2]], dim=-1), two.text_embeds


def freeze_unread(encoder: CLIPTextModel) -> None:
    """The first encoder's last layer and final norm reach no output that SDXL reads; they get no gradient."""
    body = getattr(encoder, "text_model", encoder)
    for part in (body.encoder.layers[-1], body.final_layer_norm):
        part.requires_grad_(False)


@dataclass(frozen=True)
class Noised:
    """Samples of the diffusion loss from the cache, each epoch in its own order, all chance from the index."""

    latents: Latents
    empty: np.ndarray
    scale: float
    drop: float
    size_jitter: float
    lean: float
    seed: int

    def __getitem__(self, index: int) -> Sample:
        count = self.latents.plan.pictures
        row = order(self.seed, index // count, count)[index % count]
        rng = generator(self.seed, "noise", index)
        tokens = self.latents.tokens[row, rng.integers(self.latents.plan.captions)]
        x = self.latents.latents[row].astype(np.float32) * self.scale
        return {
            "latents": torch.from_numpy(x),
            "subjects": torch.from_numpy(self.latents.subjects[row].copy()),
            "noise": torch.from_numpy(rng.standard_normal(x.shape, np.float32)),
            "timestep": torch.tensor(drawn_timestep(rng, TRAIN_STEPS, self.lean)),
            "tokens": torch.from_numpy((self.empty if rng.random() < self.drop else tokens).astype(np.int64)),
            "time_ids": torch.tensor(self._sizes(rng)),
        }

    def _sizes(self, rng: np.random.Generator) -> list[float]:
        """Original size, crop, target size, as the pipeline states them."""
        side = float(self.latents.plan.size)
        if rng.random() >= self.size_jitter:
            return [side, side, 0.0, 0.0, side, side]
        height, width = rng.uniform(0.6, 1.6, 2) * side
        return [float(height), float(width), 0.0, 0.0, float(height), float(width)]


@lru_cache(maxsize=2)
def order(seed: int, epoch: int, count: int) -> np.ndarray:
    return generator(seed, "order", epoch).permutation(count)


@dataclass
class ToonUNet:
    module: TextToImage
    source: Source
    vae: Any
    tokenizer: CLIPTokenizer
    parameters: Parameters
    device: torch.device
    prompts: tuple[str, ...] = field(default=PROMPTS)

    def pipeline(self) -> Any:
        parts = self.module
        pipeline = pipeline_from(self.vae, self.tokenizer, parts.text_encoder, parts.text_encoder_2, parts.unet)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def picture(self) -> UInt8[Tensor, "h w 3"]:
        """The same prompts and noise each time, two rows of pictures."""
        with torch.autocast(self.device.type, torch.bfloat16):
            pictures = self.pipeline()(
                list(self.prompts),
                num_inference_steps=self.parameters.show_steps,
                guidance_scale=self.parameters.guidance,
                generator=[torch.Generator().manual_seed(n) for n in range(len(self.prompts))],
                output_type="pt",
            ).images
        grid = rearrange(pictures, "(row n) c h w -> (row h) (n w) c", row=2)
        return (grid.float() * 255).round().to(torch.uint8).cpu()

    def export(self, folder: Path) -> None:
        save_base(self.pipeline(), folder)


def load_vae(folder: Path, device: torch.device) -> Any:
    """The trained autoencoder, frozen, in fp32."""
    try:
        vae = load_pretrained(AutoencoderKL, folder, "autoencoder", dtype=torch.float32, local_files_only=True)
    except BaseModelError as error:
        raise TrainingError(f"{error}; train recipes/toon-vae.toml first") from error
    return vae.to(device).requires_grad_(False)


def fitting(size: UNetSize, vae: Any, side: int) -> UNetSize:
    """The UNet's sizes with those of the autoencoder's latents."""
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    return replace(size, latent=side // factor, latent_channels=vae.config.latent_channels)


def digest(vae: Any) -> str:
    total = hashlib.sha256(str(vae.config.scaling_factor).encode())
    for name, value in sorted(vae.state_dict().items()):
        total.update(name.encode() + value.cpu().numpy().tobytes())
    return total.hexdigest()[:16]


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> ToonUNet:
    vae = load_vae(parameters.vae, device)
    vocabulary = toon_vocabulary(parameters.data_seed, scenes=4000, merges=parameters.merges)
    tokenizer = vocabulary.tokenizer()
    plan = Plan(
        seed=parameters.data_seed,
        pictures=parameters.pictures,
        size=parameters.size,
        captions=parameters.captions,
        looks=parameters.looks,
        star_share=parameters.star_share,
        vae=digest(vae),
        vocabulary=hashlib.sha256(repr(vocabulary.merges).encode()).hexdigest()[:16],
    )
    cache = prepare(parameters.cache, plan, vae, tokenizer, parameters.data_workers)
    size, first, second = fitting(parameters.unet, vae, parameters.size), parameters.text, parameters.text_2
    sdxl = parameters.family == "sdxl"
    module = TextToImage(
        unet_from(size, (first, second)) if sdxl else sd_unet_from(size, first),
        CLIPTextModel(text_config(first, tokenizer)),
        CLIPTextModelWithProjection(text_config(second, tokenizer)) if sdxl else None,
        parameters.snr_gamma,
        parameters.focus,
    )
    if recipe.gradient_checkpointing:
        module.unet.enable_gradient_checkpointing()
    empty = np.array(tokenised(tokenizer, [""])[0])
    scale = vae.config.scaling_factor
    source = Noised(cache, empty, scale, parameters.drop, parameters.size_jitter, parameters.lean, recipe.seed)
    return ToonUNet(module, source, vae, tokenizer, parameters, device)
