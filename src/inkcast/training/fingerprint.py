"""What lies in a run's data folders, in few digits: a resumed run must find what it was begun with, wherever it lies.

Cheap, since every start reads it: digests and sizes that stand in small files, and a few rows of large ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from inkcast.training.data.schema import Index
from inkcast.training.data.shards import INDEX, read_model
from inkcast.training.latents import ARRAYS, FACTS, open_cache
from inkcast.training.pairs import MANIFEST, read_manifest

FOLDERS = ("cache", "data")
"""Parameters of recipes that name a folder of data."""
ROWS = 64


def fingerprints(parameters: Mapping[str, Any]) -> dict[str, str]:
    """By parameter, 24 hexadecimal digits of what its folder holds.

    Folders that hold none of the kinds below are left out: drawn sets are named after what they show.

    Raises `TrainingError` for data that are damaged or unfinished.
    """
    folders = {name: Path(parameters[name]) for name in FOLDERS if parameters.get(name)}
    kinds = {FACTS: _latents, INDEX: _shards, MANIFEST: _pairs}
    return {
        name: next(_digest(read(folder)) for marker, read in kinds.items() if (folder / marker).is_file())
        for name, folder in folders.items()
        if any((folder / marker).is_file() for marker in kinds)
    }


def _latents(folder: Path) -> bytes:
    """A cache's plan, and `ROWS` rows of each of its arrays: a plan does not say which code drew it."""
    cache = open_cache(folder)
    rows = np.unique(np.linspace(0, cache.plan.pictures - 1, ROWS).astype(int))
    plan = json.dumps(asdict(cache.plan), sort_keys=True).encode()
    return plan + b"".join(getattr(cache, name)[rows].tobytes() for name in ARRAYS)


def _shards(folder: Path) -> bytes:
    """The digest of every shard, in order; not where the build took them from."""
    index = read_model(Index, folder / INDEX)
    return " ".join([index.kind, *(line.sha256 for line in index.shards)]).encode()


def _pairs(folder: Path) -> bytes:
    """The manifest, and the size of every file that it names, in bytes."""
    named = [
        name
        for line in read_manifest(folder)
        for name in (
            line.picture,
            *(subject.mask for subject in line.subjects),
            *(path for subject in line.subjects for each in subject.references for path in (each.picture, each.mask)),
        )
        if name is not None
    ]
    paths = {name: folder / name for name in named}
    sizes = {name: path.stat().st_size if path.is_file() else None for name, path in paths.items()}
    return (folder / MANIFEST).read_bytes() + json.dumps(sizes).encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]
