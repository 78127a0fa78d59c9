"""Reading face embeddings that come with data: a .npy vector, or StoryMaker's `{i}.bin`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from inkcast.errors import PictureError
from inkcast.files import shown

_LARGEST = 10**6  # bytes: an embedding and five points


@dataclass(frozen=True)
class FaceFile:
    """`points` (eyes, nose, mouth corners) in px from the corner of the person's crop; None where the file has none."""

    embedding: Float[np.ndarray, " d"]
    points: Float[np.ndarray, "5 2"] | None = None


def read_face_file(path: Path) -> FaceFile:
    """Raises `PictureError`: missing, too large, or not such a file. Nothing in the file is executed."""
    try:
        if path.stat().st_size > _LARGEST:
            raise PictureError(f"{shown(path)} is too large for a face embedding")
        if path.suffix == ".npy":
            return FaceFile(_vector(np.load(path, allow_pickle=False), path))
        with torch.serialization.safe_globals(_array_types()):
            found = torch.load(path, map_location="cpu", weights_only=True)
        return FaceFile(_vector(found["id"], path), _points(found["kps"], path))
    except PictureError:
        raise
    except OSError as error:
        raise PictureError(f"cannot read {shown(path)}: {error.strerror or error}") from error
    except Exception as error:  # what numpy and torch raise at other bytes has many names
        raise PictureError(f"{shown(path)} is no face embedding: {' '.join(str(error).split())[:80]}") from error


def _vector(found: Any, path: Path) -> Float[np.ndarray, " d"]:
    vector = np.asarray(found, dtype=np.float32).reshape(-1)
    if not vector.size or not np.isfinite(vector).all() or not vector.any():
        raise PictureError(f"{shown(path)} holds no embedding: it is empty, zero or not finite")
    return vector


def _points(found: Any, path: Path) -> Float[np.ndarray, "5 2"]:
    points = np.asarray(found, dtype=np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise PictureError(f"{shown(path)}: expected five face points, found {points.shape}")
    return points


def _array_types() -> list[Any]:
    """What a pickled numpy array needs; each only makes arrays."""
    rebuild: Any = np.zeros(1).__reduce__()[0]
    old = ((rebuild, f"numpy.core.multiarray.{rebuild.__name__}"),)
    kinds = {type(np.dtype(kind)) for kind in ("float16", "float32", "float64")}
    return [rebuild, *old, np.ndarray, np.dtype, *kinds]
