"""Writing samples into tar shards, and finding their bytes again without reading a shard through.

A shard is a plain webdataset tar: `webdataset.WebDataset` reads it too. Its bytes depend on its samples alone.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from inkcast.errors import TrainingError
from inkcast.files import replacing_file, shown
from inkcast.images import Limits, open_picture
from inkcast.training.data.schema import AnySample, Index, Kind, Member, Part, Row, named_files, read_sample

Model = TypeVar("Model", bound=BaseModel)

INDEX = "index.json"
PLAN = "plan.json"
BROKEN = "broken.jsonl"
# What Inkcast wrote itself is small and known: only absurd sizes are refused on the way back.
STORED = Limits(min_side=1, aspect=1000.0)


@dataclass(frozen=True)
class Stored:
    """A sample with the bytes of every file its metadata names, by the name behind the key."""

    meta: AnySample
    files: Mapping[str, bytes]

    def picture(self, name: str) -> np.ndarray:
        """uint8 [height, width, 3]."""
        return np.asarray(open_picture(self.files[name], limits=STORED, name=name).convert("RGB"))

    def mask(self, name: str) -> np.ndarray:
        """bool [height, width]."""
        return np.asarray(open_picture(self.files[name], limits=STORED, name=name).convert("L")) >= 128

    def vector(self, name: str) -> np.ndarray:
        """float32 [d]."""
        return np.load(io.BytesIO(self.files[name]), allow_pickle=False).astype(np.float32).reshape(-1)


def write_shard(path: Path, samples: Iterable[Stored]) -> tuple[Row, ...]:
    """Writes a shard, whole or not at all, and says where everything lies; an empty one is not written."""
    rows = []
    samples = list(samples)
    if not samples:
        return ()
    with replacing_file(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            meta = sample.meta
            if missing := named_files(meta) ^ set(sample.files):
                raise TrainingError(f"sample {meta.key}: {', '.join(sorted(missing))} is named or given, not both")
            files = {"json": meta.model_dump_json().encode(), **sample.files}
            rows.append(
                Row(key=meta.key, members={name: _add(tar, f"{meta.key}.{name}", files[name]) for name in files})
            )
    return tuple(rows)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))
    padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    return Member(offset=tar.offset - padded, size=len(data))


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shard_name(number: int) -> str:
    return f"shard-{number:06d}.tar"


def part_name(number: int) -> str:
    return f"shard-{number:06d}.json"


def read_model(model: type[Model], path: Path) -> Model:
    """Raises `TrainingError` for a file that is missing, damaged or of another version."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TrainingError(f"cannot read {shown(path)}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TrainingError(f"{shown(path)}: {where}: {first['msg'].lower()}; build the data again") from error


@dataclass(frozen=True)
class Shards:
    """A data set on disk by number: `shards[n]` is sample n of the build's order, for 0 <= n < len(shards).

    Nothing stays open between reads, so one instance serves threads and worker processes.

    Raises:
        TrainingError: the folder holds no finished build, a shard was cut, or its metadata do not fit the schema.
    """

    folder: Path

    @cached_property
    def index(self) -> Index:
        path = self.folder / INDEX
        if not path.is_file():
            state = "is not finished: run  inkcast data build  again" if (self.folder / PLAN).is_file() else "is none"
            raise TrainingError(f"no training data in {shown(self.folder)}: {INDEX} is missing, the build {state}")
        return read_model(Index, path)

    @property
    def kind(self) -> Kind:
        return self.index.kind

    @cached_property
    def rows(self) -> tuple[tuple[str, Row], ...]:
        """(shard, row) of every sample."""
        found = []
        for line in self.index.shards:
            part = read_model(Part, self.folder / line.rows)
            if part.sha256 != line.sha256 or len(part.rows) != line.samples:
                raise TrainingError(f"{shown(self.folder / line.rows)} does not fit {INDEX}; build the data again")
            found += [(line.file, row) for row in part.rows]
        return tuple(found)

    def __len__(self) -> int:
        return self.index.samples

    def __getitem__(self, number: int) -> Stored:
        shard, row = self.rows[number]
        files = self._read(shard, row, tuple(row.members))
        return Stored(self._meta(shard, row, files.pop("json")), files)

    def meta(self, number: int) -> AnySample:
        """Sample `number` without its files."""
        shard, row = self.rows[number]
        return self._meta(shard, row, self._read(shard, row, ("json",))["json"])

    def _meta(self, shard: str, row: Row, text: bytes) -> AnySample:
        try:
            return read_sample(text)
        except ValidationError as error:
            reason = " ".join(str(error.errors()[0]["msg"]).split())
            raise TrainingError(f"{shown(self.folder / shard)}, sample {row.key}: {reason}") from error

    def _read(self, shard: str, row: Row, names: Sequence[str]) -> dict[str, bytes]:
        path, files = self.folder / shard, {}
        try:
            with path.open("rb") as stream:
                for name in names:
                    stream.seek(row.members[name].offset)
                    files[name] = stream.read(row.members[name].size)
        except OSError as error:
            raise TrainingError(f"cannot read {shown(path)}: {error.strerror}") from error
        if any(len(files[name]) != row.members[name].size for name in names):
            raise TrainingError(f"{shown(path)} was cut short; build the data again")
        return files
