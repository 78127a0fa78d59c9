"""Where a base's files are: from what a person wrote to a folder or a file on this disk."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open

from inkcast.config import settings
from inkcast.errors import BaseModelError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_WHOLE = 256 * 2**20  # larger weight files are digested by size, start and end
_END = 8 * 2**20
_CLASSES: dict[str, Literal["sdxl", "sd"]] = {
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLImg2ImgPipeline": "sdxl",
    "StableDiffusionXLInpaintPipeline": "sdxl",
    "StableDiffusionPipeline": "sd",
}


@dataclass(frozen=True)
class Source:
    """A base on this disk: a diffusers folder, or one file. `companions` is where engines' parts lie, if there are any.
    `config`: a single file's diffusers configs, if any."""

    name: str
    path: Path
    family: Literal["sdxl", "sd"]
    companions: Path
    config: Path | None = None

    @property
    def config_place(self) -> Path:
        return self.path.with_suffix("")


def find_source(source: str | Path) -> Source:
    """Raises `BaseModelError` in one line if `source` is no folder, file or reachable hub id of a known family."""
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(str(source), path, companions=path)
    if path.is_file():
        return _single_file(str(source), path)
    if isinstance(source, str) and is_hub_id(source):
        return _folder(source, _downloaded(source), companions=beside_hub(source))
    raise BaseModelError(f"no base {str(source)!r}: give 'toon', a diffusers folder, a .safetensors file or a hub id")


def is_hub_id(source: str) -> bool:
    """Whether it is written as one, and no such folder or file is here."""
    return bool(_HUB_ID.fullmatch(source)) and not Path(source).expanduser().exists()


def beside_hub(hub_id: str) -> Path:
    """Where the engines' parts for a base of the hub are looked for: bases/ORG--NAME of the home folder."""
    return settings().home / "bases" / hub_id.replace("/", "--")


def _folder(name: str, path: Path, companions: Path) -> Source:
    index = path / "model_index.json"
    try:
        kind = json.loads(index.read_text()).get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise BaseModelError(
            f"{name!r} is not a diffusers folder: its model_index.json is missing or broken"
        ) from error
    if kind not in _CLASSES:
        raise BaseModelError(f"base {name!r} is a {kind}: use an SDXL or a Stable Diffusion 2.1 base")
    return Source(name, path, _CLASSES[kind], companions)


def _single_file(name: str, path: Path) -> Source:
    """A checkpoint in the original layout; a folder of the same name beside it may hold configs and companion parts."""
    if path.suffix != ".safetensors":
        raise BaseModelError(f"base {name!r} is not a .safetensors file: convert it first")
    try:
        with safe_open(path, framework="pt") as weights:
            keys = set(weights.keys())
    except (SafetensorError, OSError) as error:
        raise BaseModelError(f"cannot read {name!r} as safetensors: the file is damaged or of another kind") from error
    if not any(key.startswith("model.diffusion_model.") for key in keys):
        raise BaseModelError(f"{name!r} holds no UNet (model.diffusion_model.*): give a full SDXL checkpoint")
    family: Literal["sdxl", "sd"] = "sdxl" if any(k.startswith("conditioner.embedders.1.") for k in keys) else "sd"
    beside = path.with_suffix("")
    config = beside if (beside / "model_index.json").is_file() else None
    return Source(name, path, family, beside, config)


def _downloaded(hub_id: str) -> Path:
    """The snapshot folder of a hub id, from the cache or the network."""
    from diffusers import DiffusionPipeline

    try:
        return Path(DiffusionPipeline.download(hub_id, use_safetensors=True))
    except (OSError, ValueError, RuntimeError) as error:
        raise BaseModelError(
            f"cannot fetch the base {hub_id!r} from the hub: check the name and the network, or give a local folder"
        ) from error


def digest_of(path: Path) -> str:
    """SHA-256 over a base's weight files: names and contents (size, start and end of those above 256 MiB)."""
    files = [path] if path.is_file() else sorted(path.glob("*/*.safetensors"))
    total = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        total.update(f"{file.relative_to(path.parent if path.is_file() else path)}:{size}:".encode())
        with file.open("rb") as stream:
            if size <= _WHOLE:
                total.update(hashlib.file_digest(stream, "sha256").digest())
            else:
                total.update(stream.read(_END))
                stream.seek(-_END, 2)
                total.update(stream.read(_END))
    return total.hexdigest()
