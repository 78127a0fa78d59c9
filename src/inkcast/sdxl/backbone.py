"""Load a base: a diffusers folder, a hub id, one .safetensors file, or the embedded "toon"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from inkcast import assets
from inkcast.errors import BaseModelError
from inkcast.pretrained import DAMAGED, load_part, load_pretrained, reason, unfilled
from inkcast.quiet import import_pipelines, no_advice, no_bars
from inkcast.sdxl.layers import prepare
from inkcast.sdxl.source import Source, digest_of, find_source

Family = Literal["sdxl", "sd"]
MODELS = ("unet", "vae", "text_encoder", "text_encoder_2")


@dataclass(frozen=True)
class Backbone:
    """A loaded base. `pipeline` is diffusers' own text-to-image pipeline with our processors installed.

    `folder` is where companion parts lie (image_encoder/, engines/<name>/*.safetensors); None where there is none.
    `device` is where the UNet runs, also under offload. `toon` says that it knows the drawn world only: the embedded
    base, or what a recipe of this project exported.
    """

    name: str
    family: Family
    pipeline: Any
    device: torch.device
    dtype: torch.dtype
    digest: str
    folder: Path | None = None
    toon: bool = False

    @property
    def unet(self) -> Any:
        return self.pipeline.unet

    @property
    def vae(self) -> Any:
        return self.pipeline.vae

    @property
    def vae_scale_factor(self) -> int:
        """Picture pixels per latent pixel, on one side."""
        return int(self.pipeline.vae_scale_factor)

    @property
    def side(self) -> int:
        """The square side in pixels that the base was trained for."""
        return int(self.unet.config.sample_size) * self.vae_scale_factor

    @property
    def text_encoders(self) -> tuple[Any, ...]:
        """One (family "sd") or two (family "sdxl"), in prompt order."""
        return tuple(self.pipeline.components[name] for name in ("text_encoder", "text_encoder_2")[: self._texts])

    @property
    def tokenizers(self) -> tuple[Any, ...]:
        return tuple(self.pipeline.components[name] for name in ("tokenizer", "tokenizer_2")[: self._texts])

    @property
    def _texts(self) -> int:
        return 2 if self.family == "sdxl" else 1

    def part(self, *names: str) -> Path:
        """A companion file or folder, such as `part("image_encoder")`. Raises `BaseModelError` if it is absent."""
        if self.folder is None:
            raise BaseModelError(f"base {self.name!r} has no folder, so no {'/'.join(names)}: give its path explicitly")
        path = self.folder.joinpath(*names)
        if not path.exists():
            raise BaseModelError(f"base {self.name!r} lacks {'/'.join(names)}: put it at {path}")
        return path


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """What was asked for; "auto" is CUDA, else Apple's GPU, else the CPU."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise BaseModelError(f"unknown device {str(device)!r}: use cpu, cuda, cuda:N or mps") from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(chosen.type, False):
        raise BaseModelError(f"device {str(device)!r} is not available here: use --device cpu")
    return chosen


def choose_dtype(device: torch.device, dtype: str | torch.dtype = "auto") -> torch.dtype:
    """What was asked for; "auto" is float16 on GPUs, on CPUs bfloat16 where AMX makes it fast, else float32."""
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype != "auto":
        return getattr(torch, dtype)  # type: ignore[no-any-return]
    if device.type != "cpu":
        return torch.float16
    return torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32


def load_backbone(
    source: str | Path,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    low_vram: bool = False,
) -> Backbone:
    """Load a base and install our attention processors.

    Args:
        source: "toon", a folder with model_index.json, a hub id, or a .safetensors file.
        low_vram: keep parts on the CPU while they do not run (needs an accelerator).

    Raises:
        BaseModelError: not found, not an SDXL or SD base, or offline; the device is not available.
    """
    place = choose_device(device)
    precision = choose_dtype(place, dtype)
    toon = assets.toon_weights() if source == "toon" else None
    found = find_source(source if toon is None else toon / "base")
    companions = found.companions if toon is None else toon
    with no_bars():
        pipeline = _load_pipeline(found, precision)
    _check_kind(str(source), pipeline)
    pipeline.set_progress_bar_config(disable=True)
    prepare(pipeline.unet)
    if place.type == "cpu":
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    _move(pipeline, place, low_vram)
    return Backbone(
        str(source),
        _family(pipeline),
        pipeline,
        place,
        precision,
        digest_of(found.path),
        companions,
        toon=(found.path / "export.json").is_file(),
    )


def _move(pipeline: Any, device: torch.device, low_vram: bool) -> None:
    if not low_vram:
        with no_advice():  # of half precision on a CPU, which is asked for by name alone
            pipeline.to(device)
    elif device.type == "cpu":
        raise BaseModelError("low VRAM mode needs a GPU: leave out --low-vram on the CPU")
    else:
        pipeline.enable_model_cpu_offload(device=device)


def _check_kind(name: str, pipeline: Any) -> None:
    """Raises `BaseModelError` for models of SDXL's classes that draw nothing from words alone."""
    read, made = pipeline.unet.config.in_channels, pipeline.vae.config.latent_channels
    if read != made:
        raise BaseModelError(
            f"base {name!r} has a UNet that reads {read} channels where latents have {made}, as inpainting models do: "
            "use a text-to-image base"
        )
    if pipeline.text_encoder is None:
        raise BaseModelError(f"base {name!r} has no text_encoder, as refiners have none: use a text-to-image base")


def _family(pipeline: Any) -> Family:
    return "sdxl" if "text_encoder_2" in pipeline.components else "sd"


def _load_pipeline(source: Source, dtype: torch.dtype) -> Any:
    diffusers = import_pipelines()
    kind = diffusers.StableDiffusionXLPipeline if source.family == "sdxl" else diffusers.StableDiffusionPipeline
    extra: dict[str, Any] = (
        {"add_watermarker": False} if source.family == "sdxl" else {"safety_checker": None, "feature_extractor": None}
    )
    if source.family == "sd":
        extra["requires_safety_checker"] = False
    if source.path.is_dir():
        settings: dict[str, Any] = {"dtype": dtype, "local_files_only": True}
        return load_part(
            "base",
            source.name,
            lambda: kind.from_pretrained(source.path, **_parts(source.path, settings), **settings, **extra),
        )
    config = {} if source.config is None else {"config": str(source.config), "local_files_only": True}
    try:
        pipeline = kind.from_single_file(str(source.path), dtype=dtype, **config, **extra)
    except DAMAGED as error:
        hint = "" if source.config else f"; offline, put its diffusers configs in {source.config_place}"
        told = (source.config and _gap(source.path, source.config)) or reason(error)
        raise BaseModelError(f"cannot load the base {source.name!r}: {told}{hint}") from error
    for name, part in pipeline.components.items():
        if isinstance(part, nn.Module) and (missing := unfilled(part)):
            raise BaseModelError(f"cannot load the base {source.name!r}: it lacks {missing} of its {name}")
    return pipeline


def _parts(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The models of a diffusers folder, each with all of its weights: diffusers itself would fill gaps by chance."""
    index = json.loads((folder / "model_index.json").read_text())
    parts = {}
    for name in MODELS:
        library, kind = index.get(name) or (None, "")
        if library in ("diffusers", "transformers"):
            parts[name] = load_pretrained(getattr(import_module(library), kind), folder / name, name, **settings)
    return parts


def _gap(file: Path, configs: Path) -> str:
    """Which weight of its UNet or autoencoder a single file lacks, if that can be told: diffusers stumbles over it."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.loaders import single_file_utils as original

    models: Any = {
        "unet": (UNet2DConditionModel, original.convert_ldm_unet_checkpoint),
        "vae": (AutoencoderKL, original.convert_ldm_vae_checkpoint),
    }
    for name, (kind, convert) in models.items():
        try:
            config = kind.load_config(configs / name)
            with torch.device("meta"):
                wanted = kind.from_config(config).state_dict()
            found = convert(original.load_single_file_checkpoint(str(file)), config=config)
        except DAMAGED:
            continue
        if missing := next((weight for weight in wanted if weight not in found), None):
            return f"it lacks {missing} of its {name}"
    return ""
