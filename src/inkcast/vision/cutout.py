"""Where the subject is in a reference, as far as the picture itself says: mask, alpha, plain background."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from inkcast.files import shown
from inkcast.images import SUBJECT, Reference, check_mask

_PLAIN = 0.9  # share of the border that must have one colour for a background to count as plain
_NEAR = 12  # how far from that colour, of 255, still is background


def subject_mask(reference: Reference) -> Bool[np.ndarray, "height width"]:
    """The given mask, else alpha, else everything unlike a plain background's colour, else the whole picture.

    Raises:
        PictureError: the given mask cuts nobody out.
    """
    if reference.mask is not None:
        check_mask(reference.mask, f"the mask of {shown(reference.source) if reference.source else 'a reference'}")
        return np.asarray(reference.mask.convert("L")) >= SUBJECT
    if cut_by_alpha(reference):
        return np.asarray(reference.image)[..., 3] >= SUBJECT
    picture = np.asarray(reference.image.convert("RGB"))
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(int)
    colour = np.median(border, axis=0)
    unlike = np.abs(picture.astype(int) - colour).max(axis=2) > _NEAR
    if (np.abs(border - colour).max(axis=1) <= _NEAR).mean() < _PLAIN or not unlike.any():
        return np.ones(picture.shape[:2], dtype=bool)
    return _filled(unlike)


def cut_by_alpha(reference: Reference) -> bool:
    """Whether alpha tells the subject from the rest; where all is faint, it does not."""
    return reference.image.mode == "RGBA" and bool((np.asarray(reference.image)[..., 3] >= SUBJECT).any())


def _filled(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The mask without its holes: white teeth on a white ground belong to the subject."""
    from scipy.ndimage import binary_fill_holes

    return np.asarray(binary_fill_holes(mask), dtype=bool)
