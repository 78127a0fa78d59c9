"""The nets that see the drawn world: what a picture shows, who is in it, whose face it is.

Plain convolutional nets over RGB in [0, 1], small enough for two CPU cores. Each is built from plain words
(`widths`, numbers), which `save_net` writes beside its weights and `load_net` reads back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inkcast.errors import WeightsError
from inkcast.toon.labels import LOOK_HEADS, SCENE_HEADS


def conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()
    )


class Residual(nn.Module):
    """Halves the side (`stride` 2) and adds two convolutions to what a cheap path carries past them."""

    def __init__(self, inputs: int, outputs: int, stride: int = 2) -> None:
        super().__init__()
        self.down = conv(inputs, outputs, stride)
        self.body = nn.Sequential(conv(outputs, outputs), nn.Conv2d(outputs, outputs, 3, padding=1, bias=False))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return F.silu(x + self.norm(self.body(x)))


class Trunk(nn.Module):
    """A stem of stride 2, then one `Residual` per width: features at strides 2, 4, 8, …"""

    def __init__(self, widths: Sequence[int], channels: int = 3) -> None:
        super().__init__()
        self.stem = conv(channels, widths[0], stride=2)
        self.stages = nn.ModuleList(Residual(a, b) for a, b in pairwise(widths))

    def forward(self, x: Float[Tensor, "b c h w"]) -> list[Tensor]:
        features = [self.stem(x * 2 - 1)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features


class Heads(nn.Module):
    """One linear classifier per name over a shared vector; `forward` gives logits by name."""

    def __init__(self, inputs: int, heads: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.linear = nn.ModuleDict({f"{name}_": nn.Linear(inputs, len(values)) for name, values in heads.items()})

    def forward(self, x: Float[Tensor, "b d"]) -> dict[str, Float[Tensor, "b k"]]:
        return {name[:-1]: layer(x) for name, layer in self.linear.items()}


def pool(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2*c"]:
    """Mean and maximum over the picture: how much of a thing there is, and whether there is any."""
    return torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)


class SceneOracle(nn.Module):
    """Reads a whole picture (128 px): one choice per `SCENE_HEADS`."""

    def __init__(self, widths: Sequence[int] = (24, 40, 64, 96, 128)) -> None:
        super().__init__()
        self.trunk = Trunk(widths)
        self.hidden = nn.Sequential(nn.Linear(4 * widths[-1], 192), nn.SiLU(), nn.Dropout(0.1))
        self.heads = Heads(192, SCENE_HEADS)

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> dict[str, Float[Tensor, "b k"]]:
        x = self.trunk(pictures)[-1]
        upper, lower = x.chunk(2, dim=2)
        return self.heads(self.hidden(torch.cat([pool(upper), pool(lower)], dim=1)))


class LookOracle(nn.Module):
    """Reads one subject off a square crop around it; the fourth channel is 1 inside the subject's box.

    Each question has a query of its own and answers from what it attends to: hair, top and trousers lie in different
    places, which move with pose and shot.
    """

    side = 80

    def __init__(self, widths: Sequence[int] = (24, 40, 72, 112), dim: int = 96) -> None:
        super().__init__()
        self.trunk = Trunk(widths, channels=4)
        self.coarse, self.fine = (nn.Conv2d(width, dim, 1) for width in (widths[-1], widths[-2]))
        self.mix = conv(dim, dim)
        self.place = nn.Parameter(torch.zeros(dim, 10, 10))
        self.query = nn.Parameter(torch.randn(len(LOOK_HEADS), dim) * 0.1)
        self.key = nn.Conv2d(dim, dim, 1)
        self.heads = nn.ModuleList(nn.Linear(dim + 2 * widths[-1], len(words)) for words in LOOK_HEADS.values())

    def forward(self, crops: Float[Tensor, "b 4 s s"]) -> dict[str, Float[Tensor, "b k"]]:
        *_, fine, coarse = self.trunk(crops)
        x = self.mix(self.fine(fine) + F.interpolate(self.coarse(coarse), scale_factor=2.0)) + self.place
        attention = torch.einsum("q c, b c h w -> b q h w", self.query, self.key(x)).flatten(2).softmax(-1)
        seen = torch.einsum("b q p, b c p -> b q c", attention, x.flatten(2))
        whole = pool(coarse)
        return {
            name: head(torch.cat([seen[:, number], whole], dim=1))
            for number, (name, head) in enumerate(zip(LOOK_HEADS, self.heads, strict=True))
        }


class Oracle(nn.Module):
    """Both readers, trained on the same pictures and shipped together."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = SceneOracle()
        self.look = LookOracle()


@dataclass(frozen=True)
class Detections:
    """A detector's raw maps at stride 4, in units of cells; `mask` are logits of the foreground at stride 2.

    `heat` logits of (character, thing, face) centres; `size` log side; `offset` of the centre in its cell;
    `points` five face points from the face's centre, over its sides; `face` from a character's centre to its face.
    """

    heat: Float[Tensor, "b 3 h w"]
    size: Float[Tensor, "b 2 h w"]
    offset: Float[Tensor, "b 2 h w"]
    points: Float[Tensor, "b 10 h w"]
    face: Float[Tensor, "b 2 h w"]
    mask: Float[Tensor, "b 1 2*h 2*w"]


class Detector(nn.Module):
    """Objects as points (Zhou et al. 2019, arXiv:1904.07850) at stride 4: subjects, faces, face points, foreground."""

    stride = 4
    classes = ("character", "thing", "face")

    def __init__(self, widths: Sequence[int] = (16, 32, 56, 88, 112), neck: int = 40) -> None:
        super().__init__()
        self.trunk = Trunk(widths)
        self.lateral = nn.ModuleList(nn.Conv2d(width, neck, 1) for width in widths[1:])
        self.smooth = nn.ModuleList(conv(neck, neck) for _ in widths[2:])
        self.head = conv(neck, 64)
        self.maps = nn.Conv2d(64, 3 + 2 + 2 + 10 + 2, 1)
        self.mask = nn.Sequential(conv(neck // 2 + widths[0], 24), nn.Conv2d(24, 1, 1))
        self.narrow = nn.Conv2d(neck, neck // 2, 1)
        assert self.maps.bias is not None
        nn.init.constant_(self.maps.bias[:3], -math.log(99.0))

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Detections:
        stem, *features = self.trunk(pictures)
        x = self.lateral[-1](features[-1])
        for lateral, smooth, feature in zip(self.lateral[-2::-1], self.smooth, features[-2::-1], strict=True):
            x = smooth(lateral(feature) + F.interpolate(x, scale_factor=2.0, mode="nearest"))
        mask = self.mask(torch.cat([F.interpolate(self.narrow(x), scale_factor=2.0, mode="bilinear"), stem], dim=1))
        heat, size, offset, points, face = self.maps(self.head(x)).split((3, 2, 2, 10, 2), dim=1)
        return Detections(heat, size, offset, points, face, mask)


class FaceEncoder(nn.Module):
    """An aligned face (48 px) as a unit vector; trained with an additive angular margin (ArcFace, arXiv:1801.07698)."""

    side = 48

    def __init__(self, widths: Sequence[int] = (24, 48, 80, 96), dim: int = 128) -> None:
        super().__init__()
        self.dim = dim
        self.trunk = Trunk(widths)
        self.project = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * 9, dim, bias=False), nn.BatchNorm1d(dim))

    def forward(self, faces: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        return F.normalize(self.project(self.trunk(faces)[-1]), dim=-1)


def arc_face(
    cosine: Float[Tensor, "b n"], identity: Int[Tensor, " b"], margin: float = 0.35, scale: float = 24.0
) -> Float[Tensor, ""]:
    """Cross-entropy of `scale * cos(angle + margin for the true identity)` (ArcFace eq. 3)."""
    angle = torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
    own = F.one_hot(identity, cosine.shape[1]).bool()
    return F.cross_entropy(scale * torch.where(own, torch.cos((angle + margin).clamp(max=math.pi)), cosine), identity)


class Judge(nn.Module):
    """A second, independent eye for evaluation: a subject (64 px, on white) as a unit vector."""

    side = 64

    def __init__(self, widths: Sequence[int] = (24, 40, 64, 96), dim: int = 96) -> None:
        super().__init__()
        self.trunk = Trunk(widths)
        self.project = nn.Sequential(nn.Linear(widths[-1] * 8, 256), nn.SiLU(), nn.Linear(256, dim))

    def forward(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        grid = F.adaptive_avg_pool2d(self.trunk(pictures)[-1], (4, 2))
        return F.normalize(self.project(rearrange(grid, "b c h w -> b (c h w)")), dim=-1)


class FaceJudge(nn.Module):
    """A second, independent eye for faces, for evaluation: an aligned face (48 px) as a unit vector.

    A small vision transformer (Dosovitskiy et al. 2021) over 36 patches: no convolution sees what another one sees.
    """

    side = 48

    def __init__(self, width: int = 72, layers: int = 4, dim: int = 96, patch: int = 8) -> None:
        super().__init__()
        self.dim = dim
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.places = nn.Parameter(torch.randn((self.side // patch) ** 2, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 3 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.project = nn.Linear(width, dim, bias=False)

    def forward(self, faces: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        x = rearrange(self.patches(faces * 2 - 1), "b c h w -> b (h w) c") + self.places
        return F.normalize(self.project(self.body(x).mean(1)), dim=-1)


class CaptionEncoder(nn.Module):
    """Word numbers (0 = padding) as a unit vector: the small text side that CLIP's vision tower is trained against."""

    def __init__(self, words: int, dim: int = 128, length: int = 40) -> None:
        super().__init__()
        self.words = nn.Embedding(words, dim, padding_idx=0)
        self.places = nn.Parameter(torch.randn(length, dim) * 0.02)
        self.layer = nn.TransformerEncoderLayer(dim, 4, 2 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.project = nn.Linear(dim, dim, bias=False)

    def forward(self, words: Int[Tensor, "b l"]) -> Float[Tensor, "b d"]:
        padding = words == 0
        x = self.layer(self.words(words) + self.places[: words.shape[1]], src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1).to(x.dtype)
        return F.normalize(self.project((x * kept).sum(1) / kept.sum(1).clamp(min=1)), dim=-1)


NETS: Mapping[str, type[nn.Module]] = {net.__name__: net for net in (Oracle, Detector, FaceEncoder, Judge, FaceJudge)}


def save_net(net: nn.Module, folder: Path, **facts: Any) -> None:
    """Write `model.safetensors` (fp16; counters of the norms left out) and `config.json` (the class and `facts`)."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.half().contiguous() for name, value in net.state_dict().items() if value.is_floating_point()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"net": type(net).__name__, **facts}, indent=2) + "\n")


def load_net(folder: Path) -> nn.Module:
    """The net that `save_net` wrote, in fp32, for reading. Raises `WeightsError` if parts are missing or do not fit."""
    try:
        name = json.loads((folder / "config.json").read_text())["net"]
        net = NETS[name]()
        tensors = load_file(folder / "model.safetensors")
    except (OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{folder}: no weights of a seeing net here ({error}); train it with its recipe") from error
    counters = {key: value for key, value in net.state_dict().items() if not value.is_floating_point()}
    try:
        net.load_state_dict({**{key: value.float() for key, value in tensors.items()}, **counters})
    except RuntimeError as error:
        raise WeightsError(f"{folder}: the weights do not fit {name}: {' '.join(str(error).split())[:200]}") from error
    return net.eval().requires_grad_(False)
