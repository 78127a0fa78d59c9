"""Who speaks where: voices of a panel, their tails, long speeches in parts, fallbacks where room is scarce."""

from __future__ import annotations

import time

import pytest
from PIL import Image
from tests.page.generated import generated
from tests.page.measuring import flatten, inside, on_page, polygon_meets_box

from inkcast.page.composing import compose
from inkcast.page.layout import PageOptions, arrange
from inkcast.page.panel import DrawnPanel, Figure, PixelBox
from inkcast.page.setting import SetComic, SetOutline, SetPicture, SetText
from inkcast.page.typeset import Typesetter
from inkcast.page.voices import Body, split, voices
from inkcast.story.script import Line, Panel, Script

_OPTIONS = PageOptions(layout="storybook", captions="inside")
_BODY = (0.0, 0.0, 10.0, 20.0)
_ANN = Body("Ann Lee", _BODY, (2.0, 2.0, 8.0, 8.0), True)


@pytest.fixture(scope="module")
def typesetter() -> Typesetter:
    return Typesetter()


def _comic(typesetter: Typesetter, *lines: Line, face: PixelBox = (110, 90, 150, 130), **more: object) -> SetComic:
    panel = Panel(description="p", dialogue=lines, **more)  # type: ignore[arg-type]
    script = Script(panels=(panel,))
    figure = Figure("Ann Lee", (face[0] - 10, face[1] - 10, face[2] + 10, 256), face)
    drawn = [DrawnPanel(Image.new("RGB", (256, 256)), (figure,))]
    return compose(script, drawn, arrange(script, _OPTIONS), _OPTIONS, typesetter)


def _items(comic: SetComic, kind: type) -> list:  # type: ignore[type-arg]
    return [item for item in comic.pages[0].items if isinstance(item, kind)]


def test_speakers_are_found_whatever_their_letters_and_spaces() -> None:
    panel = Panel(description="p", dialogue=(Line(speaker=" ann  LEE", text="Hi."),))
    assert [(voice.kind, voice.body) for voice in voices(panel, [_ANN], _OPTIONS, caption=True)] == [("speech", 0)]


def test_who_is_not_in_the_picture_speaks_from_outside() -> None:
    lines = (Line(speaker="Bob", text="Hi."), Line(text="Hm."), Line(speaker="Ann Lee", text="Ha.", kind="off-panel"))
    found = voices(Panel(description="p", dialogue=lines), [_ANN], _OPTIONS, caption=True)
    assert [(voice.kind, voice.body) for voice in found] == [("off-panel", None), ("speech", None), ("off-panel", None)]


def test_a_panel_is_read_caption_first_and_effects_last() -> None:
    panel = Panel(description="p", caption="Once.", effects=("BANG",), dialogue=(Line(text="Hi."),))
    assert [voice.kind for voice in voices(panel, [], _OPTIONS, caption=True)] == ["caption", "speech", "effect"]
    assert [voice.kind for voice in voices(panel, [], _OPTIONS, caption=False)] == ["speech", "effect"]


@pytest.mark.parametrize(
    "text",
    [
        "I looked for you everywhere, in the attic, in the cellar and in the well. She told me about it. " * 2,
        "one long speech without any stop, only commas here, and there, and everywhere, " * 2 + "on and on",
        "私はあなたをずっと探していました。屋根裏も地下室も橋の下も井戸の中まで全部見たのよ。どこにいたの？本当に心配したんだから。",
    ],
)
def test_long_speeches_are_cut_where_one_may_pause_and_lose_nothing(text: str) -> None:
    parts = split(text.strip())
    assert 2 <= len(parts) <= 3
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert all(part[-1] in ".,。？" for part in parts[:-1])
    assert max(map(len, parts)) < 2.5 * min(map(len, parts))


def test_short_speeches_stay_whole() -> None:
    assert split("Hi. Ho. Ha.") == ["Hi. Ho. Ha."]
    assert split("") == []


def test_parts_of_one_speech_print_as_one_shape_with_one_tail(typesetter: Typesetter) -> None:
    text = "I looked for you everywhere, in the attic, in the cellar and in the well. " * 2
    comic = _comic(typesetter, Line(speaker="Ann Lee", text=text))
    (outline,) = _items(comic, SetOutline)
    assert [len(path) > 7 for path in outline.paths] == [True, True, False, False]  # two balloons, a neck, a tail
    assert len([item for item in _items(comic, SetText) if item.role == "speech"]) == 2


def test_the_tail_ends_at_the_face_not_in_it(typesetter: Typesetter) -> None:
    comic = _comic(typesetter, Line(speaker="Ann Lee", text="Here I am."))
    (picture,), (outline,) = _items(comic, SetPicture), _items(comic, SetOutline)
    x0, y0, x1, y1 = on_page((110, 90, 150, 130), picture)
    x, y = outline.paths[-1][1][1][2]
    assert not (x0 < x < x1 and y0 < y < y1)
    assert max(x0 - x, x - x1, y0 - y, y - y1) <= 0.8


def test_a_voice_from_outside_points_at_the_border(typesetter: Typesetter) -> None:
    comic = _comic(typesetter, Line(speaker="Bob", text="Come out!"))
    (picture,), (outline,) = _items(comic, SetPicture), _items(comic, SetOutline)
    x = outline.paths[-1][1][1][2][0]
    assert min(abs(x - picture.box[0]), abs(x - picture.box[2])) < 2.0


@pytest.mark.parametrize("kind", ["shout", "whisper"])
def test_whoever_is_not_there_may_also_shout_or_whisper_from_outside(kind: str, typesetter: Typesetter) -> None:
    comic = _comic(typesetter, Line(speaker="Bob", text="Come out!", kind=kind))  # type: ignore[arg-type]
    (outline,) = _items(comic, SetOutline)
    assert len(outline.paths) == 2


def test_a_voice_of_nobody_has_no_tail(typesetter: Typesetter) -> None:
    (outline,) = _items(_comic(typesetter, Line(text="Where am I?")), SetOutline)
    assert len(outline.paths) == 1


@pytest.mark.parametrize("kind", ["speech", "thought", "shout", "whisper", "off-panel"])
def test_every_kind_has_its_own_shape_around_its_words(kind: str, typesetter: Typesetter) -> None:
    line = Line(speaker="Ann Lee", text="Nobody knows what is behind that door.", kind=kind)  # type: ignore[arg-type]
    comic = _comic(typesetter, line)
    (outline,), (text,) = _items(comic, SetOutline), [item for item in _items(comic, SetText) if item.role == kind]
    assert outline.role == kind
    x0, y0, x1, y1 = text.box
    assert inside([((x0 + x1) / 2, (y0 + y1) / 2), (x0, (y0 + y1) / 2)], flatten(outline.paths[0])).all()


def test_where_faces_leave_no_room_the_picture_makes_some(typesetter: Typesetter) -> None:
    whole = _comic(typesetter, Line(speaker="Ann Lee", text="Hello."), face=(110, 90, 150, 130))
    filled = _comic(typesetter, Line(speaker="Ann Lee", text="Hello."), face=(10, 10, 246, 246))
    (free,), (tight,) = _items(whole, SetPicture), _items(filled, SetPicture)
    assert free.box == free.frame
    assert tight.frame == free.frame
    assert tight.box[1] > free.box[1]
    assert (free.backdrop, tight.backdrop) == (None, "#000000")
    assert tight.crop[0] <= 10
    assert tight.crop[3] >= 246


def test_long_text_shrinks_and_stays_whole(typesetter: Typesetter) -> None:
    text = "Every word of this has to stay on the page. " * 14
    comic = _comic(typesetter, Line(speaker="Ann Lee", text=text), Line(speaker="Bob", text=text))
    texts = [item for item in _items(comic, SetText) if item.role in ("speech", "off-panel")]
    printed = " ".join(line for item in texts for line in item.lines)
    assert printed.split() == (text * 2).split()
    assert all(item.size <= _OPTIONS.points for item in texts)


@pytest.mark.parametrize("text", ["\u200f\u202e!", "A" * 300, "👩‍🚀" * 20, "a/b\\c\"d'e", "x" * 30 + " 語" * 40])
def test_odd_texts_are_lettered(text: str, typesetter: Typesetter) -> None:
    comic = _comic(typesetter, Line(speaker="Ann Lee", text=text), caption=text, effects=(text,))
    for role in ("caption", "speech", "effect"):
        printed = "".join("".join(item.lines) for item in _items(comic, SetText) if item.role == role)
        assert printed.replace(" ", "") == text.replace(" ", "")


def test_the_same_panel_is_lettered_the_same_way_every_time() -> None:
    one, two = (_comic(Typesetter(), Line(speaker="Ann Lee", text="Again!", kind="shout")) for _ in range(2))
    assert one == two


@pytest.mark.slow
def test_a_comic_of_24_pages_takes_seconds_to_letter_and_export() -> None:
    from inkcast.page.export import Comic

    options = PageOptions()
    script, pages, drawn = generated(5, options, panels=126)
    assert len(pages) >= 24
    start = time.process_time()
    comic = Comic(script, drawn, pages, options)
    assert comic.pdf()
    assert len(comic.pngs) == len(pages)
    assert time.process_time() - start < 8.0  # processor seconds, over two cores


def test_the_tail_of_a_voice_from_outside_passes_no_face(typesetter: Typesetter) -> None:
    lines = (
        Line(speaker="Rolf", text="Where did you put the lantern?"),
        Line(speaker="Bob", text="I thought you had it! You always carry the lantern when we go down, and I the rope."),
        Line(speaker="Ann Lee", text="Shh… somebody is coming.", kind="whisper"),
    )
    script = Script(panels=(Panel(description="Ann.", dialogue=lines),))
    faces = {"Ann Lee": (20, 34, 94, 104), "Rolf": (146, 34, 214, 104)}
    figures = tuple(Figure(name, (face[0], face[1], face[2], 106), face) for name, face in faces.items())
    options = PageOptions(size="170x100", layout="storybook", captions="inside")
    drawn = [DrawnPanel(Image.new("RGB", (240, 106)), figures)]
    comic = compose(script, drawn, arrange(script, options), options, typesetter)
    (picture,) = _items(comic, SetPicture)
    (outline,) = [item for item in _items(comic, SetOutline) if item.role == "off-panel"]
    for face in faces.values():
        assert not polygon_meets_box(flatten(outline.paths[-1]), on_page(face, picture))
