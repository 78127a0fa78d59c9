"""Bases and engines to measure on: the toon base, and SDXL's exact topology with random weights at two widths.

Time, memory and the number of operations do not depend on what weights hold, so nothing has to be downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8

from inkcast import assets
from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.any_story.router import RouterSize
from inkcast.engines.any_story.weights import ROUTER_SIZE, SUBJECT_SIZE
from inkcast.engines.any_story.weights import fresh_parts as fresh_any_story
from inkcast.engines.engine import Engine
from inkcast.engines.ip_adapter.engine import IpAdapter
from inkcast.engines.ip_adapter.weights import fresh_adapter as fresh_ip_adapter
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.story_maker.encoder import PerceiverSize
from inkcast.engines.story_maker.engine import StoryMaker
from inkcast.engines.story_maker.eyes import Eyes
from inkcast.engines.story_maker.weights import RANK
from inkcast.engines.story_maker.weights import fresh_adapter as fresh_story_maker
from inkcast.quiet import import_pipelines
from inkcast.sdxl.backbone import Backbone, load_backbone
from inkcast.sdxl.image_encoder import ImageEncoder
from inkcast.sdxl.layers import prepare
from inkcast.sdxl.resampler import ResamplerSize
from inkcast.vision.face import SeenFace

Scale = Literal["toon", "topology", "full"]
SCALES: tuple[Scale, ...] = ("toon", "topology", "full")
ENGINES = ("stable-identity", "ip-adapter", "story-maker", "any-story")


CHARACTER_SIZE = ResamplerSize()  # of IP-Adapter-Plus, which StoryMaker's second resampler is


@dataclass(frozen=True)
class Widths:
    """A base of SDXL's classes with random weights. `texts` are the widths of the text encoders, `text_layers` their
    depths; `clip` of the image encoder's hidden states; `side` in picture pixels, 8 a latent."""

    name: str
    about: str
    channels: tuple[int, int, int] = (320, 640, 1280)
    depths: tuple[int, int, int] = (1, 2, 10)
    heads: tuple[int, int, int] = (5, 10, 20)
    blocks: int = 2
    texts: tuple[int, int] = (768, 1280)
    text_layers: tuple[int, int] = (12, 32)
    time: int = 256
    groups: int = 32
    vae: tuple[int, ...] = (128, 256, 512, 512)
    side: int = 1024
    clip: int = 1280
    subject: ResamplerSize = SUBJECT_SIZE
    router: RouterSize = ROUTER_SIZE
    character: ResamplerSize = CHARACTER_SIZE
    rank: int = RANK
    device: str = "cpu"
    dtype: torch.dtype = torch.float32


FULL = Widths(
    "full",
    "SDXL at full size, random weights, float16, 1024 px",
    device="cuda",
    dtype=torch.float16,
)
FULL_ON_CPU = replace(
    FULL, about="SDXL at full size, random weights, bfloat16, 512 px", device="cpu", dtype=torch.bfloat16, side=512
)
TOPOLOGY = Widths(
    "topology",
    "SDXL's topology at a quarter of its width, random weights, float32, 64 x 64 latents",
    channels=(80, 160, 320),
    texts=(192, 320),
    text_layers=(12, 32),
    time=64,
    groups=16,
    vae=(32, 64, 128, 128),
    side=512,
    clip=320,
)


@dataclass(frozen=True)
class NoFaces:
    """Sees nobody, so that engines go on with the character alone; the number of tokens is the same."""

    dim: int = 512

    def read(self, picture: UInt8[np.ndarray, "h w 3"]) -> tuple[SeenFace, ...]:
        return ()


@dataclass(frozen=True)
class Model:
    """A base to measure on, and its engines, each made when it is first asked for."""

    name: str
    about: str
    base: Backbone
    widths: Widths

    def engine(self, name: str) -> Engine:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    @cached_property
    def _made(self) -> dict[str, Engine]:
        return {}

    @cached_property
    def _encoder(self) -> ImageEncoder:
        return image_encoder(self.widths)

    def _make(self, name: str) -> Engine:
        base, widths = self.base, self.widths
        torch.manual_seed(1)
        with torch.device(base.device), _usual_dtype(base.dtype):
            match name:
                case "any-story":
                    parts = fresh_any_story(base, self._sized(widths.subject), self._router)
                    return AnyStory(base, self._encoder, parts)
                case "ip-adapter":
                    return IpAdapter(base, self._encoder, fresh_ip_adapter(base, self._sized(widths.character)))
                case "story-maker":
                    size = PerceiverSize(character=self._sized(widths.character))
                    adapter = fresh_story_maker(base.unet, size, widths.rank)
                    return StoryMaker(base, Eyes(self._encoder, NoFaces()), adapter)
                case _:
                    return StableIdentity(base, None)

    def _sized(self, size: ResamplerSize) -> ResamplerSize:
        """The resampler between this base's image encoder and what its cross-attentions read."""
        return replace(size, feature_channels=self.widths.clip, out_channels=self.base.unet.config.cross_attention_dim)

    @property
    def _router(self) -> RouterSize:
        return replace(
            self.widths.router, qformer=replace(self.widths.router.qformer, feature_channels=self.widths.clip)
        )


def toon_model() -> Model:
    """The embedded base with engines of its recipes' sizes."""
    inner = ResamplerSize(channels=128, depth=4, heads=4, head_dim=32, widening=2)
    widths = Widths(
        "toon",
        "the embedded toon base, float32, 128 px",
        clip=64,
        subject=replace(inner, queries=16),
        router=RouterSize(replace(inner, queries=1, out_channels=128)),
        character=replace(inner, depth=3, queries=12),
        rank=16,
    )
    return Model(widths.name, widths.about, load_backbone("toon", device="cpu", dtype=torch.float32), widths)


def random_model(widths: Widths) -> Model:
    """SDXL's classes at these widths; the tokenizer is the toon base's."""
    device = torch.device(widths.device)
    torch.manual_seed(0)
    with torch.device(device), _usual_dtype(widths.dtype):
        pipeline = _pipeline(widths)
    pipeline.set_progress_bar_config(disable=True)
    prepare(pipeline.unet)
    if device.type == "cpu":
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    base = Backbone(widths.name, "sdxl", pipeline, device, widths.dtype, f"random {widths.name}")
    return Model(widths.name, widths.about, base, widths)


@contextmanager
def _usual_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Modules made inside the block have this dtype: casting them afterwards would need both in memory."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def model_of(scale: Scale, device: str = "auto") -> Model | None:
    """None where it needs a GPU and there is none, and `device` is not "cpu"."""
    if scale == "toon":
        return toon_model()
    if scale == "topology":
        return random_model(TOPOLOGY)
    if device == "cpu":
        return random_model(FULL_ON_CPU)
    return random_model(FULL) if torch.cuda.is_available() else None


def _pipeline(widths: Widths) -> Any:
    diffusers = import_pipelines()
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    folder = assets.toon_weights() / "base"
    tokenizers = [CLIPTokenizer.from_pretrained(folder / name) for name in ("tokenizer", "tokenizer_2")]
    first, second = (_text(tokenizer, widths, n) for n, tokenizer in enumerate(tokenizers))
    vae = diffusers.AutoencoderKL(
        block_out_channels=widths.vae,
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=min(32, widths.vae[0] // 2),
        sample_size=widths.side,
        scaling_factor=0.13025,
    )
    return diffusers.StableDiffusionXLPipeline(
        vae=vae.eval(),
        text_encoder=CLIPTextModel(first).eval(),
        text_encoder_2=CLIPTextModelWithProjection(second).eval(),
        tokenizer=tokenizers[0],
        tokenizer_2=tokenizers[1],
        unet=_unet(widths).eval(),
        scheduler=diffusers.EulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        add_watermarker=False,
    )


def _unet(widths: Widths) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=widths.side // 8,
        block_out_channels=widths.channels,
        layers_per_block=widths.blocks,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=widths.depths,
        attention_head_dim=widths.heads,
        cross_attention_dim=sum(widths.texts),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=widths.time,
        projection_class_embeddings_input_dim=6 * widths.time + widths.texts[1],
        norm_num_groups=widths.groups,
    )


def _text(tokenizer: Any, widths: Widths, number: int) -> Any:
    from transformers import CLIPTextConfig

    width = widths.texts[number]
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=widths.text_layers[number],
        num_attention_heads=max(width // 64, 1),
        max_position_embeddings=77,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def image_encoder(widths: Widths) -> ImageEncoder:
    """ViT-H's 257 tokens of `widths.clip` channels out of two layers: it runs once per character, outside of what is
    compared."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=widths.clip,
        intermediate_size=2 * widths.clip,
        num_hidden_layers=2,
        num_attention_heads=max(widths.clip // 64, 1),
        image_size=224,
        patch_size=14,
        projection_dim=64,
    )
    model: Any = CLIPVisionModelWithProjection(config)
    return ImageEncoder(model.requires_grad_(False).eval().to(widths.device, widths.dtype))
