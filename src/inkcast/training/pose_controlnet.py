"""A ControlNet that draws given skeletons (arXiv 2302.05543), over a frozen base; StoryMaker trains with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel
from einops import rearrange
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor, nn

from inkcast.engines.engine import Conditioning, TrainingBatch
from inkcast.errors import BaseModelError, TrainingError
from inkcast.sampling import controlnet
from inkcast.sampling.control import Follow
from inkcast.sampling.sampler import DrawSettings, draw
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace
from inkcast.sdxl.backbone import Backbone, load_backbone
from inkcast.sdxl.prompts import encode_prompt
from inkcast.toon.captions import caption
from inkcast.toon.dataset import sample_scene
from inkcast.toon.renderer import Rendering, render
from inkcast.training.engine_loss import EngineLoss
from inkcast.training.latents import open_cache
from inkcast.training.objective import Sample, Source, generator
from inkcast.training.recipe import Recipe, Table
from inkcast.training.subjects import Subjects
from inkcast.vision.pose import pose_map

SHOWN = 6


class Parameters(Table):
    """The base, its cache of latents, the hint encoder's narrowest width, and the loss (`focus` as in `EngineLoss`).

    `lean` above 1 draws noisier timesteps more often (`drawn_timestep`): there it is settled who stands where. Without
    `attention` the encoder has residual blocks alone (`small_controlnet`).
    """

    base: Path
    cache: Path
    hint_channels: int = 16
    attention: bool = True
    lean: float = 1.0
    most: int = 4
    drop_text: float = 0.5
    snr_gamma: float = 0.0
    focus: float = 1.0
    guidance: float = 4.0
    show_steps: int = 25


@dataclass(frozen=True)
class PoseGuide:
    """Gives the UNet the ControlNet's reading of `pose`, under the prompt's tokens."""

    net: Any

    def __call__(self, batch: dict[str, Tensor], arguments: dict[str, Any]) -> Mapping[str, Any]:
        down, mid = self.net(**arguments, controlnet_cond=batch["pose"], return_dict=False)
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}


@dataclass(frozen=True)
class PoseTrainee:
    """Nothing but the ControlNet; the attention layers read the prompt alone."""

    net: nn.Module

    def trainable(self) -> Mapping[str, nn.Module]:
        return {"controlnet": self.net}

    def memory(self, batch: TrainingBatch) -> AttentionMemory:
        return AttentionMemory()

    def losses(self, batch: TrainingBatch, trace: AttentionTrace) -> Mapping[str, Tensor]:
        return {}


@dataclass(frozen=True)
class Posed:
    """`Subjects`' samples with `pose` [3, s, s], the skeletons of all who are in the picture."""

    subjects: Subjects

    def __getitem__(self, index: int) -> Sample:
        drawn = self.subjects.drawn(index)
        return {**drawn.sample, "pose": torch.from_numpy(hint(drawn.picture)).permute(2, 0, 1).float() / 255}


def hint(picture: Rendering) -> UInt8[np.ndarray, "s s 3"]:
    skeletons = [actor.skeleton for actor in picture.actors if actor.skeleton is not None]
    return pose_map(skeletons, picture.image.shape[:2])


def fresh_controlnet(base: Backbone, hint_channels: int, *, attention: bool = True) -> Any:
    """The UNet's encoder copied, with a hint encoder that shrinks pictures as the base's autoencoder does."""
    stages = round(math.log2(base.vae_scale_factor)) + 1
    widths = tuple(hint_channels * (n + 1) for n in range(stages))
    whole: Any = ControlNetModel.from_unet(base.unet, conditioning_embedding_out_channels=widths)
    return (whole if attention else small_controlnet(whole)).to(base.device)


def small_controlnet(whole: Any) -> Any:
    """A ControlNet with its attention and its reading of the prompt left out, as diffusers' *-small ones for SDXL are:
    the residual blocks of `whole`, one of them in the middle."""
    bare = {
        "down_block_types": ["DownBlock2D"] * len(whole.config.down_block_types),
        "mid_block_type": "UNetMidBlock2D",
        "addition_embed_type": None,
    }
    small: Any = ControlNetModel.from_config({**whole.config, **bare})
    given = whole.state_dict()
    small.load_state_dict({name: given[name] for name in small.state_dict()})
    return small


def load_controlnet(folder: Path, device: torch.device) -> Any:
    """Frozen, in fp32. Raises `TrainingError` if there is none."""
    try:
        net = controlnet.load_controlnet(folder, torch.float32)
    except BaseModelError as error:
        raise TrainingError(f"no ControlNet in {folder}: train recipes/pose-controlnet-toon.toml first") from error
    return net.to(device).requires_grad_(False)


@dataclass
class PoseTraining:
    module: EngineLoss
    source: Source
    base: Backbone
    net: Any
    parameters: Parameters
    seed: int

    def picture(self) -> UInt8[Tensor, "h w 3"]:
        """Skeletons of unseen scenes over what is drawn from them."""
        columns = [self._column(number) for number in range(SHOWN)]
        return torch.from_numpy(rearrange(np.stack(columns), "n h w c -> h (n w) c"))

    def _column(self, number: int) -> UInt8[np.ndarray, "h w 3"]:
        rng, side = generator(self.seed, "posed", number), self.base.side
        scene = sample_scene(rng, "validation", count=1 + number % 2)
        skeletons = hint(render(scene, side))
        prompt = encode_prompt(self.base, caption(scene, rng, looks=0.0))
        nothing = AttentionMemory()
        drawn = draw(
            self.base,
            Conditioning(prompt, nothing, nothing),
            DrawSettings((side, side), self.parameters.show_steps, self.parameters.guidance, seed=number),
            control=Follow(self.net, Image.fromarray(skeletons)),
        )[0]
        return np.concatenate([skeletons, np.asarray(drawn)])

    def export(self, folder: Path) -> None:
        """The folder that bases keep as controlnet/."""
        controlnet.save_controlnet(self.net, folder)


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> PoseTraining:
    base = load_backbone(parameters.base, device=device, dtype=torch.float32)
    net = fresh_controlnet(base, parameters.hint_channels, attention=parameters.attention)
    subjects = Subjects(
        latents=open_cache(parameters.cache),
        tokenizer=base.tokenizers[0],
        scale=float(base.vae.config.scaling_factor),
        most=parameters.most,
        drop_text=parameters.drop_text,
        drop_subjects=0.0,
        sheets=1.0,
        seed=recipe.seed,
        lean=parameters.lean,
    )
    module = EngineLoss(base, PoseTrainee(net), parameters.snr_gamma, focus=parameters.focus, guide=PoseGuide(net))
    if recipe.gradient_checkpointing:
        for part in (base.unet, net):  # the gradient passes the frozen UNet on its way
            part.enable_gradient_checkpointing()
    return PoseTraining(module, Posed(subjects), base, net, parameters, recipe.seed)
