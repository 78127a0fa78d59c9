"""Faces turned upright: the similarity that carries five face points onto a template, and the crop it makes."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

TEMPLATE_SIDE = 112
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float64,
)
"""ArcFace's five points (the eye, eye, nose, mouth, mouth from left to right in the picture) in a 112 px square."""


def similarity(source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "2 3"]:
    """The scale, rotation and shift M with the least squared error of `M @ [source, 1] - target`.

    Umeyama 1991, "Least-squares estimation of transformation parameters", eq. 40-43. A source without extent
    gives scale 1 and no rotation.
    """
    source_mean, target_mean = source.mean(0), target.mean(0)
    source_centered, target_centered = source - source_mean, target - target_mean
    variance = (source_centered**2).sum() / len(source)
    if variance < 1e-9:
        return np.hstack([np.eye(2), (target_mean - source_mean)[:, None]])
    u, d, vt = np.linalg.svd(target_centered.T @ source_centered / len(source))
    s = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = u @ np.diag(s) @ vt
    scale = (d * s).sum() / variance
    return np.hstack([scale * rotation, (target_mean - scale * rotation @ source_mean)[:, None]])


def align_face(
    picture: UInt8[np.ndarray, "h w 3"], points: Float[np.ndarray, "5 2"], side: int, zoom: float = 1.0
) -> UInt8[np.ndarray, "side side 3"]:
    """The face whose five points are given, upright in a square; `zoom` < 1 shows more around it.

    Points are named from the picture's left: (left eye, right eye, nose, left mouth corner, right mouth corner).
    """
    target = ((TEMPLATE - TEMPLATE_SIDE / 2) * zoom + TEMPLATE_SIDE / 2) * side / TEMPLATE_SIDE
    matrix = similarity(np.asarray(points, dtype=np.float64), target)
    return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
