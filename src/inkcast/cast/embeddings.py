"""Word vectors of a face, as StableIdentity and the comic generator built on it save them, made into characters.

Each file holds one float tensor [1, words = 2, width]: `NAME.pt` for Stable Diffusion 2.1 (width 1024), or `NAME_1.pt`
and `NAME_2.pt` for SDXL's two text encoders (768 and 1280). The identity's tensors are named after the text encoders
of a diffusers pipeline: `text_encoder`, `text_encoder_2`.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inkcast.cast.character import Identity
from inkcast.cast.identities import pack
from inkcast.cast.record import CharacterRecord, IdentityRecord
from inkcast.errors import CastError
from inkcast.files import shown

if TYPE_CHECKING:
    from torch import Tensor

ENGINE = "stable-identity"
WORDS = 2
WIDTHS = {"": 1024, "_1": 768, "_2": 1280}  # by what follows the name
LARGEST = 10**6  # bytes; such a file has about 12,000
_STEM = re.compile(r"(.+?)(_[12])?", re.DOTALL)


def read_embeddings(paths: Iterable[Path]) -> tuple[CharacterRecord, ...]:
    """Reads `.pt` files; those of one name, in one folder, become one character called as the files are.

    Raises:
        CastError: a file is missing, is not such a tensor, or lacks its other half.
    """
    named: dict[tuple[Path, str], dict[str, Path]] = {}
    for path in paths:
        stem = _STEM.fullmatch(path.stem)
        if stem is None:
            raise CastError(f"{shown(path)} has no name before its .pt; rename it to NAME.pt")
        named.setdefault((path.parent, stem[1]), {})[stem[2] or ""] = path
    return tuple(
        CharacterRecord(name=name.replace("_", " "), identities=_identities(files))
        for (_, name), files in named.items()
    )


def _identities(files: Mapping[str, Path]) -> tuple[IdentityRecord, ...]:
    found = []
    if "" in files:
        found.append(_identity("sd", [("text_encoder", files[""], WIDTHS[""])]))
    halves = [part for part in ("_1", "_2") if part in files]
    if len(halves) == 1:
        missing = "_2" if halves == ["_1"] else "_1"
        raise CastError(f"{shown(files[halves[0]])} is one half of an SDXL identity; give the file of {missing} too")
    if halves:
        encoders = zip(("text_encoder", "text_encoder_2"), halves, strict=True)
        found.append(_identity("sdxl", [(encoder, files[half], WIDTHS[half]) for encoder, half in encoders]))
    return tuple(found)


def _identity(family: str, parts: Sequence[tuple[str, Path, int]]) -> IdentityRecord:
    whole = hashlib.sha256()
    tensors = {}
    for encoder, path, width in parts:
        data = _read(path)
        whole.update(hashlib.sha256(data).digest())
        tensors[encoder] = _tensor(data, path, width)
    digest = f"imported-{family}:{whole.hexdigest()}"
    return IdentityRecord(ENGINE, digest, "", pack(Identity(ENGINE, digest, tensors)))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise CastError(f"embedding {shown(path)} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise CastError(f"embedding {shown(path)} is larger than {LARGEST / 1e6:g} MB; it is not two word vectors")
    return data


def _tensor(data: bytes, path: Path, width: int) -> Tensor:
    """[1, words, width], float32."""
    import torch

    try:
        # The older format names sizes that torch would allocate before it looks; a compressed zip unpacks to any size.
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > 2 * LARGEST:
            raise ValueError(f"it unpacks to {size} bytes")
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged and malicious files alike, with errors of every class
        reason = (" ".join(str(error).split()) or type(error).__name__)[:120]
        raise CastError(f"embedding {shown(path)} is refused: {reason}; export it again as a plain tensor") from error
    if not isinstance(found, torch.Tensor):
        raise CastError(f"embedding {shown(path)} holds {type(found).__name__}, not one tensor; export it again")
    if found.shape != (1, WORDS, width) or not found.is_floating_point():
        shape = list(found.shape)
        raise CastError(f"embedding {shown(path)} is {found.dtype} {shape}; it must be float [1, {WORDS}, {width}]")
    vectors = found.detach().float().contiguous().clone()
    if not torch.isfinite(vectors).all():
        raise CastError(f"embedding {shown(path)} holds values that are not finite; learn it again")
    return vectors
