"""A pipeline's weights under the names of the original SDXL checkpoint, as single .safetensors files have them."""

from __future__ import annotations

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_TOP = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def _unet(state: dict[str, Tensor], layers_per_block: int, blocks: int) -> dict[str, Tensor]:
    return {f"model.diffusion_model.{_unet_name(name, layers_per_block, blocks)}": t for name, t in state.items()}


def _unet_name(name: str, layers: int, blocks: int) -> str:
    for new, old in _UNET_TOP.items():
        if name.startswith(new + "."):
            return old + name[len(new) :]
    parts = name.split(".")
    if parts[0] == "mid_block":
        kind, index, rest = parts[1], int(parts[2]), parts[3:]
        return f"middle_block.{2 * index if kind == 'resnets' else 1}.{_inner(kind, rest)}"
    block, kind, index, rest = int(parts[1]), parts[2], int(parts[3]), parts[4:]
    if parts[0] == "down_blocks":
        number = 1 + block * (layers + 1) + (layers if kind == "downsamplers" else index)
        return f"input_blocks.{number}.{_place(kind, rest, down=True)}"
    number = block * (layers + 1) + (layers if kind == "upsamplers" else index)
    with_attention = block < blocks - 1
    return f"output_blocks.{number}.{_place(kind, rest, down=False, sampler=2 if with_attention else 1)}"


def _place(kind: str, rest: list[str], *, down: bool, sampler: int = 0) -> str:
    match kind:
        case "resnets":
            return f"0.{_inner(kind, rest)}"
        case "attentions":
            return f"1.{_inner(kind, rest)}"
        case _:
            return f"0.op.{rest[-1]}" if down else f"{sampler}.conv.{rest[-1]}"


def _inner(kind: str, rest: list[str]) -> str:
    return ".".join([_RESNET[rest[0]], *rest[1:]] if kind == "resnets" else rest)


def _vae(state: dict[str, Tensor], blocks: int) -> dict[str, Tensor]:
    return {f"first_stage_model.{_vae_name(name, blocks)}": _as_conv(name, t) for name, t in state.items()}


def _as_conv(name: str, tensor: Tensor) -> Tensor:
    """The original VAE's attention is made of 1 x 1 convolutions."""
    return tensor[..., None, None] if ".attentions." in name and tensor.ndim == 2 else tensor


def _vae_name(name: str, blocks: int) -> str:
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    for new, old in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"), ("group_norm", "norm")):
        if ".attentions." in name:
            name = name.replace(f".{new}.", f".{old}.")
    name = name.replace("mid_block.attentions.0", "mid.attn_1")
    name = name.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    for block in range(blocks):
        name = name.replace(f"down_blocks.{block}.resnets.", f"down.{block}.block.")
        name = name.replace(f"down_blocks.{block}.downsamplers.0.", f"down.{block}.downsample.")
        name = name.replace(f"up_blocks.{block}.resnets.", f"up.{blocks - 1 - block}.block.")
        name = name.replace(f"up_blocks.{block}.upsamplers.0.", f"up.{blocks - 1 - block}.upsample.")
    return name


def _second_text(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """OpenCLIP's names: q, k and v in one matrix, the projection transposed."""
    original = {
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "text_projection": state["text_projection.weight"].T,
    }
    for name, tensor in state.items():
        if ".self_attn.q_proj." in name:
            kind = name.rsplit(".", 1)[1]
            joined = torch.cat([state[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")])
            original[f"{_open_clip(name.split('.q_proj')[0])}.in_proj_{kind}"] = joined
        elif ".encoder." in name and not any(part in name for part in ("k_proj", "v_proj")):
            original[_open_clip(name)] = tensor
        elif "final_layer_norm" in name:
            original[name.replace("text_model.final_layer_norm", "ln_final")] = tensor
    return {f"conditioner.embedders.1.model.{name}": tensor for name, tensor in original.items()}


def _open_clip(name: str) -> str:
    for new, old in (
        ("text_model.encoder.layers", "transformer.resblocks"),
        ("layer_norm", "ln_"),
        ("mlp.fc1", "mlp.c_fc"),
        ("mlp.fc2", "mlp.c_proj"),
        ("self_attn", "attn"),
    ):
        name = name.replace(new, old)
    return name


def original_layout(pipeline: StableDiffusionXLPipeline) -> dict[str, Tensor]:
    """All weights of a pipeline whose text encoders differ in width, by which diffusers tells SDXL's apart."""
    config = pipeline.unet.config
    first = {
        f"conditioner.embedders.0.transformer.text_model.{name.removeprefix('text_model.')}": tensor
        for name, tensor in pipeline.text_encoder.state_dict().items()
    }
    tensors = {
        **_unet(pipeline.unet.state_dict(), config.layers_per_block, len(config.block_out_channels)),
        **_vae(pipeline.vae.state_dict(), len(pipeline.vae.config.block_out_channels)),
        **first,
        **_second_text(pipeline.text_encoder_2.state_dict()),
    }
    return {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
