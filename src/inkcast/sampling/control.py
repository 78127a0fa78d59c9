"""What guides a drawing besides words and characters: a picture to start from, one to repair, a pose to follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from inkcast.quiet import no_advice
from inkcast.sdxl.attention import Size
from inkcast.sdxl.backbone import Backbone


@dataclass(frozen=True)
class FromPicture:
    """Image-to-image: `strength` in (0, 1], 1 = nothing of `picture` is kept."""

    picture: Image.Image
    strength: float = 0.6


@dataclass(frozen=True)
class Repair:
    """Inpainting: only where `mask` (mode "L") is white is drawn anew."""

    picture: Image.Image
    mask: Image.Image
    strength: float = 1.0


@dataclass(frozen=True)
class Follow:
    """ControlNet: `hint` (such as a skeleton map) read by `net`, from `start` to `end` as shares of the steps."""

    net: Any
    hint: Image.Image
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0


Control = FromPicture | Repair | Follow


def _picture(image: Image.Image, size: Size) -> Image.Image:
    height, width = size
    return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def controlled(base: Backbone, control: Control | None, size: Size) -> tuple[Any, dict[str, Any]]:
    """diffusers' pipeline for the control over the base's own modules, and the arguments it needs beyond the usual."""
    if control is None:
        height, width = size
        return base.pipeline, {"height": height, "width": width}
    with no_advice():  # of casting modules, even to the dtype that they have
        return _guided(base, control, size)


def _guided(base: Backbone, control: Control, size: Size) -> tuple[Any, dict[str, Any]]:
    """from_pipe casts the shared modules to float32 unless it is told their dtype."""
    import diffusers

    prefix = "StableDiffusionXL" if base.family == "sdxl" else "StableDiffusion"
    height, width = size
    match control:
        case FromPicture():
            kind = getattr(diffusers, f"{prefix}Img2ImgPipeline")
            extra = {"image": _picture(control.picture, size), "strength": control.strength}
            return kind.from_pipe(base.pipeline, dtype=base.dtype), extra
        case Repair():
            kind = getattr(diffusers, f"{prefix}InpaintPipeline")
            mask = control.mask.convert("L").resize((width, height), Image.Resampling.NEAREST)
            extra = {"image": _picture(control.picture, size), "mask_image": mask, "strength": control.strength}
            return kind.from_pipe(base.pipeline, dtype=base.dtype), {**extra, "height": height, "width": width}
        case Follow():
            kind = getattr(diffusers, f"{prefix}ControlNetPipeline")
            net = control.net.to(base.device, base.dtype)
            extra = {
                "image": _picture(control.hint, size),
                "controlnet_conditioning_scale": control.scale,
                "control_guidance_start": control.start,
                "control_guidance_end": control.end,
            }
            pipeline = kind.from_pipe(base.pipeline, controlnet=net, dtype=base.dtype)
            return pipeline, {**extra, "height": height, "width": width}
