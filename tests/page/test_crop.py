"""Crops: the frame's shape, and faces whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkcast.page.crop import fit
from inkcast.page.panel import Figure, PixelBox


@st.composite
def _faces(draw: st.DrawFn) -> PixelBox:
    x0, y0 = draw(st.integers(0, 180)), draw(st.integers(0, 120))
    return x0, y0, x0 + draw(st.integers(4, 200 - x0)), y0 + draw(st.integers(4, 140 - y0))


@settings(deadline=None)
@given(st.lists(_faces(), max_size=4), st.floats(0.3, 4.0))
def test_no_face_is_ever_cut(faces: list[PixelBox], aspect: float) -> None:
    figures = [Figure(str(index), face, face) for index, face in enumerate(faces)]
    frame = (10.0, 20.0, 10.0 + 50.0 * aspect, 70.0)
    crop, box = fit((200, 140), figures, frame)
    for x0, y0, x1, y1 in faces:
        assert crop[0] <= x0
        assert x1 <= crop[2]
        assert crop[1] <= y0
        assert y1 <= crop[3]
    assert 0 <= crop[0] < crop[2] <= 200
    assert 0 <= crop[1] < crop[3] <= 140
    assert frame[0] - 1e-6 <= box[0] < box[2] <= frame[2] + 1e-6
    assert frame[1] - 1e-6 <= box[1] < box[3] <= frame[3] + 1e-6
    shown, placed = (crop[2] - crop[0]) / (crop[3] - crop[1]), (box[2] - box[0]) / (box[3] - box[1])
    assert placed == pytest.approx(shown, rel=0.03)


def test_the_window_moves_to_the_face() -> None:
    right = Figure("Ann", (150, 20, 198, 140), (155, 25, 195, 65))
    crop, box = fit((200, 140), [right], (0.0, 0.0, 50.0, 50.0))
    assert crop[2] >= 195
    assert crop[2] - crop[0] == 140
    assert box == (0.0, 0.0, 50.0, 50.0)


def test_faces_at_both_ends_keep_the_picture_whole_in_a_narrow_frame() -> None:
    figures = [Figure("a", (0, 0, 40, 140), (2, 10, 38, 50)), Figure("b", (160, 0, 200, 140), (162, 10, 198, 50))]
    crop, box = fit((200, 140), figures, (0.0, 0.0, 40.0, 80.0))
    assert crop[0] <= 2
    assert crop[2] >= 198
    assert box[0] == pytest.approx(0.0)
    assert box[1] > 10.0  # letterboxed, in the middle of its frame
    assert box[1] == pytest.approx(80.0 - box[3])


def test_a_picture_of_the_frames_shape_is_not_cropped() -> None:
    assert fit((200, 100), [], (5.0, 5.0, 105.0, 55.0)) == ((0, 0, 200, 100), (5.0, 5.0, 105.0, 55.0))
