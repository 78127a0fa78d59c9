"""Pictures cropped to their frames around faces, never through them."""

from __future__ import annotations

from collections.abc import Sequence

from inkcast.page.panel import Figure, PixelBox
from inkcast.page.patterns import Box

_FACE_MARGIN = 0.06  # of a face's size, kept around it


def fit(size: tuple[int, int], figures: Sequence[Figure], frame: Box) -> tuple[PixelBox, Box]:
    """The part of a picture (pixels) that a frame (mm) shows, and where it stands in the frame.

    The picture fills the frame wherever a window of the frame's shape can hold every face; where none can, it is shown
    whole enough to hold them all and stands in the middle of its frame.
    """
    width, height = size
    aspect = (frame[2] - frame[0]) / (frame[3] - frame[1])
    faces = [_padded(figure.face, size) for figure in figures if figure.face is not None]
    if width / height > aspect:
        window = max(1, round(height * aspect))
        spans = [(face[0], face[2]) for face in faces]
        start, end = _window(width, window, spans, [(figure.box[0], figure.box[2]) for figure in figures], 0.5)
        crop = (start, 0, end, height)
    else:
        window = max(1, round(width / aspect))
        spans = [(face[1], face[3]) for face in faces]
        start, end = _window(height, window, spans, [(figure.box[1], figure.box[3]) for figure in figures], 0.4)
        crop = (0, start, width, end)
    return crop, _centred(frame, (crop[2] - crop[0]) / (crop[3] - crop[1]), aspect)


def _padded(face: PixelBox, size: tuple[int, int]) -> PixelBox:
    pad_x, pad_y = round((face[2] - face[0]) * _FACE_MARGIN), round((face[3] - face[1]) * _FACE_MARGIN)
    width, height = size
    return max(0, face[0] - pad_x), max(0, face[1] - pad_y), min(width, face[2] + pad_x), min(height, face[3] + pad_y)


def _window(
    length: int, window: int, faces: list[tuple[int, int]], figures: list[tuple[int, int]], anchor: float
) -> tuple[int, int]:
    """Start and end of the stretch to show of `length` pixels: `window` long, or longer where the faces need it."""
    window = min(window, length)
    if faces:
        first, last = min(start for start, _ in faces), max(end for _, end in faces)
        window = min(length, max(window, last - first))
        low, high = max(0, last - window), min(length - window, first)
    else:
        low, high = 0, length - window
    wished = (length - window) * anchor
    shown = [span for span in figures if span[1] - span[0] <= window]
    if shown:
        wished = (min(start for start, _ in shown) + max(end for _, end in shown)) / 2 - window / 2
    start = round(min(max(wished, low), high))
    return start, start + window


def _centred(frame: Box, aspect: float, wished: float) -> Box:
    x0, y0, x1, y1 = frame
    if abs(aspect / wished - 1.0) < 0.02:
        return frame
    width, height = x1 - x0, y1 - y0
    if aspect > wished:
        height = width / aspect
    else:
        width = height * aspect
    centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
    return centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2
