"""ReferenceNet: the base's UNet without text as an encoder of one picture (AnyStory section 3.2, eq. 3, table 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import AttnProcessor2_0
from jaxtyping import Float
from torch import Tensor, nn

from inkcast.sdxl.attention import Layer
from inkcast.sdxl.layers import LayerInfo, attention_layers, execution_order

_STOCK = AttnProcessor2_0()


@dataclass(frozen=True)
class Features:
    """{G^l}: what the self-attentions of one pass read, by layer. An object, since offload hooks copy mappings."""

    by_layer: dict[Layer, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Noting:
    """Stock self-attention that notes its input in `features`; no parameters, no state."""

    layer: Layer

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        features: Features | None = None,
    ) -> Tensor:
        if features is not None:
            features.by_layer[self.layer] = hidden_states
        return _STOCK(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


def reference_layers(unet: Any) -> tuple[LayerInfo, ...]:
    """The self-attentions that read references: all but the first, which no routing map precedes (under eq. 3)."""
    first = execution_order(unet)[0]
    return tuple(layer for layer in attention_layers(unet) if not layer.is_cross and layer.name != first)


class ReferenceNet(nn.Module):
    """The UNet of `unet`'s configuration without any cross-attention (`attn2`, `norm2`), with a subject mask channel.

    It always runs at t = 0 with the reference's own size as `time_ids` and no pooled text, so that a picture's
    features never change. Its layers carry the UNet's names.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        channels = unet.config.in_channels + 1
        self.unet: Any = UNet2DConditionModel.from_config(unet.config, in_channels=channels)
        for block in self.unet.modules():
            if isinstance(block, BasicTransformerBlock):
                block.attn2 = block.norm2 = None  # type: ignore[assignment]
        self.layers = reference_layers(self.unet)
        self.unet.set_attn_processor({key: Noting(key.removesuffix(".processor")) for key in self.unet.attn_processors})

    def forward(
        self, reference: Float[Tensor, "pictures latents_and_mask height width"], side: int
    ) -> Mapping[Layer, Float[Tensor, "pictures pixels channels"]]:
        """{G^l} for l = 2 … L (eq. 3): the normed inputs of every self-attention but the first.

        `reference` is F_vae, scaled latents and the mask; `side` the reference's side in picture pixels.
        """
        features = Features()
        self.unet(
            reference,
            torch.zeros((), device=reference.device),
            encoder_hidden_states=None,
            added_cond_kwargs=self._constants(reference, side),
            cross_attention_kwargs={"features": features},
        )
        return {layer.name: features.by_layer[layer.name] for layer in self.layers}

    def _constants(self, reference: Tensor, side: int) -> dict[str, Tensor]:
        config = self.unet.config
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        sizes = torch.tensor([side, side, 0, 0, side, side], dtype=reference.dtype, device=reference.device)
        return {
            "text_embeds": reference.new_zeros(reference.shape[0], pooled),
            "time_ids": sizes.expand(reference.shape[0], -1),
        }


def initialise(net: ReferenceNet, unet: nn.Module) -> None:
    """Start from the UNet's weights (section 3.4)."""
    net.load_state_dict(started(net, unet))


def started(net: ReferenceNet, unet: nn.Module) -> dict[str, Tensor]:
    """The UNet's own weights, whatever LoRAs lie beside them, under ReferenceNet's names; the mask channel is zero."""
    theirs = {name.replace(".base_layer.", "."): weight for name, weight in unet.state_dict().items()}
    found = {name: theirs[name.removeprefix("unet.")].detach() for name in net.state_dict()}
    first = found["unet.conv_in.weight"]
    return found | {"unet.conv_in.weight": torch.cat([first, torch.zeros_like(first[:, :1])], dim=1)}
