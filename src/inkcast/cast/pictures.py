"""The pictures of a cast library, each in a file named by the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from inkcast.errors import CastError
from inkcast.files import shown, write_bytes


@dataclass(frozen=True)
class PictureFolder:
    """`put` and `sweep` are called inside a write transaction of the library, so that they never cross."""

    root: Path

    def path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def put(self, data: bytes) -> str:
        """Stores a picture and returns its digest; raises OutputError."""
        digest = hashlib.sha256(data).hexdigest()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.path(digest)
        if not (path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest):
            write_bytes(path, data)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of a picture; raises CastError if it is missing or is not what was stored."""
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CastError(f"the cast library's picture {shown(path)} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise CastError(f"the cast library's picture {shown(path)} was changed; put back the file it was")
        return data

    def sweep(self, wanted: Container[str]) -> None:
        """Deletes every file that is not the picture of a wanted digest, leftovers of killed processes included."""
        for path in self.root.glob("??/*"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)
