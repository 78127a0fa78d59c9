"""draw_comic, with a fake at the easel: the stages, what is written, and what never is."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.easel_fake import FakeEasels, character

from inkcast.comic import draw_comic
from inkcast.drawing.choices import Drawing
from inkcast.drawing.masking import read_masks
from inkcast.drawing.record import read_record
from inkcast.errors import CastError, InkcastError, OutputError, PageError, PictureError, StoryError
from inkcast.events import Event, Note, Progress
from inkcast.page.layout import PageOptions
from inkcast.redrawing import letter_again, redraw_panel
from inkcast.story.script import Box, Panel, Presence, Script, dump_script, load_script

STORY = (
    "Ann Lee is reading in the library. She runs in the park. Rolf waves on the beach. Ann and Rolf hug in the castle."
)
CAST = (character("Ann Lee", "red", "she"), character("Rolf", "brown", "he"), character("Nobody", "white"))
QUICK = Drawing(steps=3, seed=7)
SMALL = PageOptions(dpi=40)


def draw(out: Path, story: str | Script = STORY, **more: object) -> FakeEasels:
    easels = FakeEasels()
    draw_comic(story, CAST, QUICK, out, easel=easels, **{"page": SMALL, **more})  # type: ignore[arg-type]
    return easels


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def comic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("comic") / "out"
    draw(out)
    return out


def test_a_folder_holds_the_comic_and_all_that_made_it(comic: Path) -> None:
    files = set(contents(comic))
    panels = {f"panel-{number:02}.png" for number in range(1, 5)}
    cast = {"cast/01-01.png", "cast/02-01.png", "cast/03-01.png"}
    assert files == {"comic.pdf", "page-01.png", "script.yaml", "comic.json", "run.json"} | panels | cast
    assert [panel.characters[0].name for panel in load_script(comic / "script.yaml").panels][:3] == [
        "Ann Lee",
        "Ann Lee",
        "Rolf",
    ]


def test_each_character_is_encoded_once_and_only_if_shown(tmp_path: Path) -> None:
    calls = draw(tmp_path / "out").calls
    assert calls == {"encode Ann Lee": 1, "encode Rolf": 1, "condition": 4}


def test_the_record_tells_what_was_drawn(comic: Path) -> None:
    record = read_record(comic)
    assert (record.drawing.engine, record.drawing.seed, record.weights.base) == ("fake", 7, "base")
    assert [panel.characters for panel in record.panels] == [("Ann Lee",), ("Ann Lee",), ("Rolf",), ("Ann Lee", "Rolf")]
    assert "a girl" in record.panels[1].prompt
    assert "park" in record.panels[1].prompt
    assert "She" not in record.panels[1].prompt
    assert len({panel.seed for panel in record.panels}) == 4
    assert [figure.name for figure in record.panels[3].figures] == ["Ann Lee", "Rolf"]
    assert {"torch", "diffusers"} <= set(record.libraries)
    with Image.open(comic / "panel-02.png") as picture:
        assert picture.size == record.panels[1].size
        made_by = {"engine": "fake", "prompt": record.panels[1].prompt, "seed": str(record.panels[1].seed)}
        assert picture.text == made_by


def test_panels_have_the_aspect_of_their_frames(tmp_path: Path) -> None:
    draw(tmp_path / "tall", page=PageOptions(layout="strip", dpi=40))
    draw(tmp_path / "wide", page=PageOptions(layout="cinema", dpi=40))
    tall, wide = (read_record(tmp_path / name).panels[0].size for name in ("tall", "wide"))
    assert tall[0] < tall[1]
    assert wide[0] > wide[1]


def test_one_seed_one_comic(comic: Path, tmp_path: Path) -> None:
    draw(tmp_path / "again")
    first, second = contents(comic), contents(tmp_path / "again")
    timings = json.loads(first.pop("run.json")), json.loads(second.pop("run.json"))
    assert first == second
    assert all(set(each["seconds"]) == {"load", "cast", "panels", "pages", "total"} for each in timings)


def test_a_panel_s_own_seed_wins(tmp_path: Path) -> None:
    panels = [Panel(description="Rolf waves", characters=(Presence(name="Rolf"),), seed=seed) for seed in (99, None)]
    draw(tmp_path / "out", Script(panels=tuple(panels)))
    record = read_record(tmp_path / "out")
    assert record.panels[0].seed == 99
    assert record.panels[1].seed != 99


def test_poses_go_round_the_panels_that_name_none_and_stay_with_the_comic(tmp_path: Path) -> None:
    for name, color in (("a", "red"), ("b", "green"), ("own", "blue")):
        Image.new("RGB", (16, 16), color).save(tmp_path / f"{name}.png")
    panels = [Panel(description=f"Ann Lee sits {n}", characters=(Presence(name="Ann Lee"),)) for n in range(4)]
    panels[1] = panels[1].model_copy(update={"pose": str(tmp_path / "own.png")})
    chosen = replace(QUICK, poses=(tmp_path / "a.png", tmp_path / "b.png"))
    easels, out = FakeEasels(), tmp_path / "out"
    draw_comic(Script(panels=tuple(panels)), CAST, chosen, out, page=SMALL, easel=easels)
    assert [one.pose and one.pose.stem for one in easels.last.plan] == ["a", "own", "a", "b"]
    kept = [Image.open(out / f"pose-{n:02}.png").getpixel((0, 0)) for n in range(1, 5)]
    assert kept == [(255, 0, 0), (0, 0, 255), (255, 0, 0), (0, 128, 0)]
    assert [Path(panel.pose) for panel in load_script(out / "script.yaml").panels] == [
        out / f"pose-{n:02}.png" for n in range(1, 5)
    ]
    assert "pose: pose-01.png" in (out / "script.yaml").read_text()

    translated = tmp_path / "translated.yaml"
    translated.write_text(dump_script(Script(panels=tuple(panels))).replace("sits", "sitzt"))
    letter_again(out, translated, {"language": "de"})
    assert len(list(out.glob("pose-*.png"))) == 4
    assert "pose: pose-04.png" in (out / "script.yaml").read_text()


def test_masks_reach_the_drawing_and_stay_with_the_comic(tmp_path: Path) -> None:
    """From a script's own folder; drawn again, and lettered from another script, from what the comic keeps."""
    (tmp_path / "masks").mkdir()
    Image.new("L", (20, 30), 200).save(tmp_path / "masks" / "rolf.png")
    text = (
        "panels:\n- {description: Ann Lee sits}\n- description: Ann Lee meets Rolf\n"
        "  characters:\n  - Ann Lee  # free\n  - {name: Rolf, mask: masks/rolf.png, box: [0, 0, 0.5, 1]}\n"
    )
    (tmp_path / "script.yaml").write_text(text)
    out, easels = tmp_path / "out", FakeEasels()
    draw_comic(load_script(tmp_path / "script.yaml"), CAST, QUICK, out, page=SMALL, easel=easels)

    def drawn() -> list[object]:
        return [one.mask and one.mask.getextrema() for plan in easels.last.plan for one in plan.prompt.members]

    assert drawn() == [None, (200, 200)]
    assert "mask: mask-02-02.png" in (out / "script.yaml").read_text()
    (tmp_path / "masks" / "rolf.png").unlink()
    redraw_panel(out, 2, easel=easels)
    assert drawn() == [None, (200, 200)]

    other = text.replace("meets", "trifft").replace("- Ann Lee ", "- {name: Ann Lee, mask: a.png} ")
    (tmp_path / "other.yaml").write_text(other)
    letter_again(out, tmp_path / "other.yaml", {"language": "de"})
    kept = load_script(out / "script.yaml").panels[1].characters
    assert [one.mask for one in kept] == ["", str(out / "mask-02-02.png")]
    assert Image.open(kept[1].mask).getextrema() == ((200, 200),) * 3
    assert [path.name for path in out.glob("mask-*")] == ["mask-02-02.png"]


@pytest.mark.parametrize(
    ("make", "box", "said"),
    [
        (lambda path: None, None, "does not exist; check the path"),
        (lambda path: path.write_text("no picture"), None, "is not a picture of a known format"),
        (lambda path: Image.new("RGBA", (20, 20)).save(path), None, "wholly transparent"),
        (lambda path: Image.new("L", (20, 20)).save(path), None, "is black; make bright where they may stand"),
        (lambda path: Image.new("L", (20, 20), 15).save(path), None, "is black"),
        (lambda path: left_half(path), (0.5, 0.0, 1.0, 1.0), "has nothing bright within the box"),
    ],
)  # fmt: skip
def test_a_mask_that_says_nothing_is_an_error_before_anything_is_loaded(
    tmp_path: Path, make: Callable[[Path], object], box: Box | None, said: str
) -> None:
    path, easels = tmp_path / "m.png", FakeEasels()
    make(path)
    people = (Presence(name="Ann Lee"), Presence(name="Rolf", mask=str(path), box=box))
    panels = (Panel(description="rain"), Panel(description="Ann Lee meets Rolf", characters=people))
    with pytest.raises(PictureError, match=said) as caught:
        draw_comic(Script(panels=panels), CAST, QUICK, tmp_path / "out", page=SMALL, easel=easels)
    assert str(caught.value).startswith("panel 2, mask of 'Rolf': ")
    assert "m.png" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert easels.last is None
    assert not (tmp_path / "out").exists()


def test_a_mask_is_opacity_where_it_has_any_and_shades_near_black_are_black(tmp_path: Path) -> None:
    shades = np.array([[0, 15, 16, 255]] * 4, dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(shades).save(tmp_path / "bright.png")
    opaque = Image.new("RGBA", (32, 32), "black")
    opaque.putalpha(Image.fromarray(shades))
    opaque.save(tmp_path / "opaque.png")
    Image.fromarray(shades).resize((4000, 400)).save(tmp_path / "large.png")
    for name, size in (("bright", (32, 32)), ("opaque", (32, 32)), ("large", (572, 58))):
        ann = Presence(name="Ann Lee", mask=str(tmp_path / f"{name}.png"))
        masks = read_masks(Script(panels=(Panel(description="rain", characters=(ann,)),)))
        mask = masks[0, 0]
        assert (mask.mode, mask.size) == ("L", size)
        columns = [round(size[0] * (n + 0.5) / 4) for n in range(4)]
        assert [mask.getpixel((x, size[1] // 2)) for x in columns] == [0, 0, 16, 255]


def left_half(path: Path) -> None:
    picture = Image.new("L", (64, 64))
    picture.paste(255, (0, 0, 32, 64))
    picture.save(path)


def test_progress_counts_characters_and_steps(tmp_path: Path) -> None:
    events: list[Event] = []
    draw(tmp_path / "out", report=events.append)
    steps = [event.done for event in events if isinstance(event, Progress) and event.stage == "panels"]
    assert steps[0] == 0
    assert steps[-1] == 12
    assert steps == sorted(steps)
    assert set(steps) == set(range(13))
    assert Progress("cast", 2, 2) in events


def test_choices_of_the_parser_reach_the_author(tmp_path: Path) -> None:
    events: list[Event] = []
    cast = (character("Ann", "red", "she"), character("Mia", "blue", "she"))
    draw_comic(
        "Ann and Mia meet in the park. She waves.",
        cast,
        QUICK,
        tmp_path / "o",
        page=SMALL,
        easel=FakeEasels(),
        report=events.append,
    )
    assert any(isinstance(event, Note) and "She waves" in event.text for event in events)


@pytest.mark.parametrize("suffix", [".pdf", ".png", ".cbz", ".epub", ".html"])
def test_a_file_gets_the_comic_alone(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"comic{suffix}"
    draw(out)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    magic = {".pdf": b"%PDF", ".png": b"\x89PNG", ".cbz": b"PK", ".epub": b"PK", ".html": b"<!"}[suffix]
    assert out.read_bytes().startswith(magic)


@pytest.mark.parametrize(
    ("story", "cast", "error"),
    [
        ("A dog sleeps in the sun.", CAST, "names nobody of the cast"),
        ("", CAST, "empty"),
        (STORY, (*CAST, character("ann lee", "blue")), "in the cast twice"),
        (
            Script(panels=(Panel(description="x", characters=(Presence(name="Zoe"),)),)),
            CAST,
            "'Zoe', who is not in the cast",
        ),
    ],
)
def test_a_story_that_cannot_be_drawn_is_refused_before_anything_is_loaded(
    tmp_path: Path, story: str | Script, cast: tuple, error: str
) -> None:
    easels = FakeEasels()
    with pytest.raises((StoryError, CastError, PageError), match=error):
        draw_comic(story, cast, QUICK, tmp_path / "out", easel=easels)
    assert easels.last is None
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_comic_is_refused_then_replaced_and_a_person_s_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    draw(out)
    (out / "notes.txt").write_text("mine")
    (out / "panel-09.png").write_bytes(b"of an earlier, longer comic")
    before = contents(out)
    with pytest.raises(OutputError, match="--overwrite"):
        draw(out)
    assert contents(out) == before
    draw(out, "Rolf waves in the park.", overwrite=True)
    after = contents(out)
    assert after["notes.txt"] == b"mine"
    assert {name for name in after if name.startswith("panel")} == {"panel-01.png"}


def test_a_file_that_exists_is_refused_without_overwrite(tmp_path: Path) -> None:
    out = tmp_path / "comic.pdf"
    out.write_bytes(b"precious")
    with pytest.raises(OutputError, match="--overwrite"):
        draw(out)
    assert out.read_bytes() == b"precious"
    draw(out, overwrite=True)
    assert out.read_bytes().startswith(b"%PDF")


def test_a_folder_that_is_not_ours_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"precious")
    with pytest.raises(OutputError, match="not ours to overwrite"):
        draw(tmp_path / "photos", overwrite=True)


@pytest.mark.parametrize("stop_at", [0, 5, 12])
def test_ctrl_c_leaves_nothing_and_destroys_nothing(tmp_path: Path, stop_at: int) -> None:
    out = tmp_path / "out"
    draw(out)
    before = contents(tmp_path)

    def stop(event: Event) -> None:
        if event == Progress("panels", stop_at, 12):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(out, overwrite=True, report=stop)
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path / "new", report=stop)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("target", ["inkcast.drawing.folder.write_comic", "inkcast.drawing.folder.save_png"])
@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_stop_while_writing_destroys_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, stop: BaseException
) -> None:
    out = tmp_path / "out"
    draw(out)
    before = contents(tmp_path)

    def full(*arguments: object) -> None:
        raise stop

    monkeypatch.setattr(target, full)
    with pytest.raises((InkcastError, KeyboardInterrupt)) as caught:
        draw(out, overwrite=True)
    if isinstance(stop, OSError):
        assert "the disk is full" in str(caught.value)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_or_forbidden_disk_is_met_before_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkcast.drawing.folder.shutil.disk_usage", lambda place: type("U", (), {"free": 10})())
    easels = FakeEasels()
    with pytest.raises(OutputError, match="the disk is full"):
        draw_comic(STORY, CAST, QUICK, tmp_path / "deep" / "out", easel=easels)
    assert easels.last is None


def test_a_format_with_a_file_a_page_numbers_them_and_refuses_earlier_ones(tmp_path: Path) -> None:
    out = tmp_path / "comic.png"
    draw(out, page=PageOptions(layout="splash", dpi=40))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"comic-{number:02}.png" for number in range(1, 5)]
    with pytest.raises(OutputError, match="--overwrite"):
        draw(out)


def test_fewer_pages_leave_none_of_the_earlier_comic(tmp_path: Path) -> None:
    out = tmp_path / "comic.png"
    (tmp_path / "comic-2024.png").write_bytes(b"mine")
    draw(out, page=PageOptions(layout="splash", dpi=40), overwrite=True)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    draw(out, page=PageOptions(layout="cinema", dpi=40), overwrite=True)
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert left["comic-2024.png"] == b"mine"
    assert sorted(left) == ["comic-01.png", "comic-02.png", "comic-2024.png"]
    assert len(first) == 5
    assert all(left[name] != first[name] for name in ("comic-01.png", "comic-02.png"))


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.pdf, \.cbz"):
        draw(tmp_path / "comic.jpg")
    draw(tmp_path / "volume.2")
    assert (tmp_path / "volume.2" / "comic.pdf").exists()
