"""Training the toon base's CLIP vision tower: attributes on what engines read, agreement of views and with words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

from inkcast.toon.labels import SUBJECT_HEADS
from inkcast.toon.nets import CaptionEncoder, Heads
from inkcast.training.perception_augment import degrade
from inkcast.training.perception_data import SHEET_SIDE
from inkcast.training.perception_objective import NetObjective
from inkcast.training.perception_oracle import choice_loss
from inkcast.training.perception_views import ViewParameters, ViewSource, agreement
from inkcast.training.recipe import Recipe

MEAN = STD = 0.5


class Parameters(ViewParameters):
    """The tower's own size; the defaults are the embedded one's."""

    hidden: int = 128
    layers: int = 4
    heads: int = 4
    patch: int = 8
    projection: int = 128


class VisionModule(nn.Module):
    """Heads read the projection and the mean of the second last layer's patch states, which is what engines read."""

    def __init__(self, parameters: Parameters, words: int) -> None:
        super().__init__()
        self.parameters_ = parameters
        config = CLIPVisionConfig(
            hidden_size=parameters.hidden,
            intermediate_size=4 * parameters.hidden,
            num_hidden_layers=parameters.layers,
            num_attention_heads=parameters.heads,
            image_size=SHEET_SIDE,
            patch_size=parameters.patch,
            projection_dim=parameters.projection,
        )
        self.net = CLIPVisionModelWithProjection(config)
        self.pooled_heads = Heads(parameters.projection, SUBJECT_HEADS)
        self.patch_heads = Heads(parameters.hidden, SUBJECT_HEADS)
        self.captions = CaptionEncoder(words + 1, parameters.projection)

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        pictures = rearrange(torch.cat([batch["a"], batch["b"]]), "b h w c -> b c h w").float() / 255
        pictures = degrade(pictures, self.parameters_.degraded)
        out = self.net((pictures - MEAN) / STD, output_hidden_states=True)
        labels = batch["look"].repeat(2, 1)
        pooled, pooled_right = choice_loss(self.pooled_heads(out.image_embeds), labels, SUBJECT_HEADS)
        patches, patch_right = choice_loss(
            self.patch_heads(out.hidden_states[-2][:, 1:].mean(1)), labels, SUBJECT_HEADS
        )
        front, other = F.normalize(out.image_embeds, dim=-1).chunk(2)
        words = self.captions(batch["words"])
        temperature = self.parameters_.temperature
        views, views_right = agreement(front, other, temperature)
        texts = (agreement(front, words, temperature)[0] + agreement(other, words, temperature)[0]) / 2
        return {
            "loss": (pooled + patches) / 2 + views + texts,
            "pooled_accuracy": pooled_right,
            "patch_accuracy": patch_right,
            "retrieval": views_right,
        }


def save_vision(net: CLIPVisionModelWithProjection, folder: Path) -> None:
    """A standard `CLIPVisionModelWithProjection` folder in fp16, with its `preprocessor_config.json`."""
    net.save_pretrained(folder, state_dict={name: value.half() for name, value in net.state_dict().items()})
    side = {"height": SHEET_SIDE, "width": SHEET_SIDE}
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": SHEET_SIDE}, crop_size=side, image_mean=[MEAN] * 3, image_std=[STD] * 3
    )
    processor.save_pretrained(folder)


def build(parameters: Parameters, recipe: Recipe, device: torch.device) -> NetObjective:
    source = ViewSource(parameters.open(), parameters.fewest, recipe.seed)
    return NetObjective(VisionModule(parameters, len(source.words)).to(device), source, save=save_vision)
