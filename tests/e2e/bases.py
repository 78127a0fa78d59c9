"""A base for the web app's tests: the embedded one, with untrained parts for what ships without weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from inkcast.assets import toon_weights

SHIPPED = ("image_encoder", "detector", "face", "engines/ip-adapter")


def untrained_base(folder: Path) -> Path:
    """A base's folder as an author would name it: the toon base, with an any-story and a pose ControlNet as they are
    before training. They are loaded as trained ones are; what they draw is noise, where they act is told truly.
    """
    import torch

    from inkcast.engines.any_story.router import RouterSize
    from inkcast.engines.any_story.weights import fresh_parts, save_encoders, save_router
    from inkcast.sampling.controlnet import save_controlnet
    from inkcast.sdxl.backbone import load_backbone
    from inkcast.sdxl.resampler import ResamplerSize
    from inkcast.training.pose_controlnet import fresh_controlnet

    weights = toon_weights()
    for part in (weights / "base").iterdir():
        (folder / part.name).symlink_to(part)
    (folder / "engines").mkdir()
    for name in SHIPPED:
        (folder / name).symlink_to(weights / name)
    torch.manual_seed(0)
    base = load_backbone("toon", device="cpu", dtype=torch.float32)
    seen = features_of(weights / "image_encoder")
    small = ResamplerSize(feature_channels=seen, channels=64, depth=1, heads=2, head_dim=32)
    subject = replace(small, out_channels=base.unet.config.cross_attention_dim, queries=4)
    router = RouterSize(replace(small, out_channels=64, queries=1), heads=2, head_dim=32)
    parts = fresh_parts(base, subject, router)
    save_encoders(parts, folder / "engines" / "any-story", packed_over=base.unet)
    assert parts.router is not None
    save_router(parts.router, folder / "engines" / "any-story", int8=True)
    (folder / "controlnet").mkdir()
    save_controlnet(fresh_controlnet(base, 16), folder / "controlnet")
    return folder


def features_of(folder: Path) -> int:
    """Channels of the image encoder's features."""
    return int(json.loads((folder / "config.json").read_text())["hidden_size"])
