"""What the web app's forms make of what an author gives them, without a browser."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")

from gradio import Error

from inkcast.app.context import LOCAL, SCOPE_KEY, Studio
from inkcast.app.jobs_rows import read_job
from inkcast.app.project import Candidate, PanelState
from inkcast.app.tables import JobRow
from inkcast.app.web.boxes import as_box, colour, read_boxes
from inkcast.app.web.comic_tab import HISTORY, history_of
from inkcast.app.web.designer import subject_of
from inkcast.app.web.drafts import Draft, drafts_of, painted, records, save_character, seen, with_boxes
from inkcast.app.web.job_view import job_html
from inkcast.app.web.maps import maps_of, overlaid
from inkcast.app.web.page import build_web
from inkcast.app.web.panel_facts import GONE, dressed, edited, map_colours, merged, moved_boxes, outfits, places, worn
from inkcast.app.web.pictures import data_uri
from inkcast.app.web.script_rows import (
    extended,
    moved,
    notes_by_panel,
    rebased,
    rows_of,
    script_of,
    standing_notes,
    without,
)
from inkcast.app.web.story_facts import engine_choices, licence_of, notes_on, read_again
from inkcast.app.web.styles import style_cards
from inkcast.app.web.workbench import maps_told
from inkcast.cast.database import Database
from inkcast.cast.record import CharacterRecord, Entry, ReferenceRecord, Words
from inkcast.cast.store import CastLibrary
from inkcast.drawing.routes import routes_picture
from inkcast.errors import CastError, ConflictError, PictureError, PolicyError, StoryError
from inkcast.images import encode_png
from inkcast.page.panel import Figure
from inkcast.story.parser import CastName, parse_story
from inkcast.story.script import Line, Panel, Presence, Script
from inkcast.story.styles import load_styles
from inkcast.toon.world import Look, Thing

SCRIPT = Script(
    title="Two",
    panels=(
        Panel(
            description="Ann reads",
            characters=(Presence(name="Ann", box=(0.1, 0.1, 0.5, 0.9), state="armour"),),
            dialogue=(Line(speaker="Ann", text="Hush: now", kind="whisper", translations={"de": "Still"}),),
            seed=5,
        ),
        Panel(description="Rolf waves", characters=(Presence(name="Rolf"),), place="cave"),
    ),
)


def picture(colour: str = "red") -> Image.Image:
    made = Image.new("RGB", (64, 64), "white")
    made.paste(colour, (16, 16, 48, 60))
    return made


@pytest.fixture
def library(tmp_path: Path) -> CastLibrary:
    return CastLibrary(Database("", tmp_path))


def test_rows_give_back_the_script_with_all_that_they_do_not_show() -> None:
    assert script_of(rows_of(SCRIPT, {}), SCRIPT) == SCRIPT


def test_an_edited_row_changes_what_it_says_and_keeps_box_outfit_seed_and_translation() -> None:
    rows = rows_of(SCRIPT, {})
    rows[0][1], rows[0][2] = "Ann sleeps", "Ann (snoring); Rolf"
    first = script_of(rows, SCRIPT).panels[0]
    assert first.description == "Ann sleeps"
    assert [(one.name, one.action, one.box, one.state) for one in first.characters] == [
        ("Ann", "snoring", (0.1, 0.1, 0.5, 0.9), "armour"),
        ("Rolf", "", None, ""),
    ]
    assert (first.seed, first.dialogue) == (5, SCRIPT.panels[0].dialogue)


def test_a_row_without_a_number_is_a_new_panel_and_an_empty_one_is_none() -> None:
    rows = [
        *rows_of(SCRIPT, {}),
        ["", "They sing", "Ann; Rolf", "Ann: La\nSomebody (off-panel): Boo", *[""] * 5],
        [""] * 9,
    ]
    new = script_of(rows, SCRIPT).panels[2:]
    assert [panel.description for panel in new] == ["They sing"]
    assert [(line.speaker, line.kind, line.text) for line in new[0].dialogue] == [
        ("Ann", "speech", "La"),
        (None, "off-panel", "Boo"),
    ]


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [(1, "", "row 1 shows nothing"), (3, "Ann (sings): La", "row 1 has a line of the kind 'sings'")],
)
def test_a_row_that_makes_no_panel_is_named(column: int, text: str, said: str) -> None:
    rows = rows_of(SCRIPT, {})
    rows[0][column] = text
    with pytest.raises(StoryError, match=said):
        script_of(rows, SCRIPT)


def test_a_digit_that_makes_no_number_is_no_row_and_no_seed(tmp_path: Path) -> None:
    rows = rows_of(SCRIPT, {})
    rows[0][0] = "²"
    assert script_of(rebased(rows, rows_of(SCRIPT, {}), SCRIPT), SCRIPT).panels[0].seed is None
    assert rebased(rows, [["1", *row[1:-2], "", ""] for row in rows], SCRIPT)[0] == rows[0]

    studio = Studio(tmp_path, "")
    project = studio.projects(LOCAL).create("One", script="panels: [{description: Ann waves}]")
    panel = project.panels[0].id
    draw = next(
        each.fn
        for each in build_web(studio).fns.values()
        if getattr(each.fn, "__qualname__", "") == "workbench.<locals>.draw"
    )
    request = SimpleNamespace(scope={SCOPE_KEY: LOCAL})
    words = ["Ann waves", "", "", "", ""]
    with pytest.raises(Error, match="the seed is '²': write a whole number"):
        draw(request, project.id, "²", 1, panel, json.dumps(words), *words)


def test_names_that_nobody_has_are_noted_at_their_panels(tmp_path: Path) -> None:
    studio = Studio(tmp_path, "")
    library = studio.library(LOCAL)
    library.add(
        *(CharacterRecord(name, references=(ReferenceRecord(encode_png(picture())),)) for name in ("Ann", "Rolf"))
    )
    projects = studio.projects(LOCAL)
    project = projects.create("Test", "Ann waves. Rolf sits. Then she said “I am lost", cast=("Ann", "Rolf"))
    script = parse_story(project.story, [CastName("Ann"), CastName("Rolf")]).script
    project = projects.set_script(project.id, script)

    def notes() -> dict[int, str]:
        return notes_on(studio, LOCAL, project, read_again(studio, LOCAL, project))[0]

    (at,) = notes()
    assert at > 1
    library.change("Rolf", Words(name="Ralf"))
    assert notes()[1] == "Rolf is not in this story: tick them under Who is in it, or take them out"
    assert at in notes()
    library.change("Ralf", Words(more_aliases=("Rolf",)))
    assert 1 not in notes()
    panels = [*project.script.panels]
    panels[1] = panels[1].model_copy(update={"engine": {"clothes.Anne": "Rolf", "rooter": "off"}})
    project = projects.set_script(project.id, project.script.model_copy(update={"panels": tuple(panels)}))
    assert notes()[1].startswith(
        "sets 'clothes.Anne', but nobody of the cast is called 'Anne': did you mean 'Ann'? The cast is Ann, Ralf; "
        "sets 'rooter', which no engine knows: did you mean 'router'? any-story has subject_scale, "
    )
    studio.close()


def test_a_table_gives_back_only_what_was_edited_in_it() -> None:
    held = rows_of(SCRIPT, {})
    now = SCRIPT.model_copy(
        update={"panels": (SCRIPT.panels[0].model_copy(update={"description": "Ann sings"}), SCRIPT.panels[1])}
    )
    cells = [list(row) for row in held]
    cells[1][1] = "Rolf sleeps"
    cells[0][5] = None  # type: ignore[call-overload]
    made = script_of(rebased(cells, held, now), now)
    assert [panel.description for panel in made.panels] == ["Ann sings", "Rolf sleeps"]
    assert script_of(rebased(cells, held, SCRIPT), SCRIPT).panels[0].description == "Ann reads"
    with pytest.raises(ConflictError, match="other panels in another window"):
        rebased(cells, held, without(SCRIPT, 1))


def test_panels_are_moved_added_and_taken_out() -> None:
    assert [panel.description for panel in moved(SCRIPT, 2, 1).panels] == ["Rolf waves", "Ann reads"]
    assert [panel.description for panel in without(SCRIPT, 1).panels] == ["Rolf waves"]
    assert extended(SCRIPT, 1).panels[2] == SCRIPT.panels[1]
    with pytest.raises(StoryError, match="no panel 3: choose one from 1 to 2"):
        without(SCRIPT, 3)


def test_a_warning_stands_at_the_panel_it_is_about() -> None:
    parsed = parse_story('Ann waves. Then she said "I am lost', [CastName("Ann", "she"), CastName("Zed", "he")])
    by_panel, whole = notes_by_panel(parsed)
    assert any("not closed" in text for text in by_panel.values())
    assert 0 not in by_panel
    assert any("Zed" in text for text in whole)


def test_a_warning_goes_with_the_words_it_is_about() -> None:
    parsed = parse_story('Ann waves. Then she said "I am lost', [CastName("Ann", "she"), CastName("Zed", "he")])
    script = parsed.script
    assert standing_notes(parsed, script) == notes_by_panel(parsed)
    (at, told), *_ = notes_by_panel(parsed)[0].items()
    assert at > 0
    first, about = script.panels[0], script.panels[at]
    turned = script.model_copy(update={"panels": (about, first)})
    assert standing_notes(parsed, turned)[0] == {0: told}
    twice = script.model_copy(update={"panels": (first, about, about)})
    assert standing_notes(parsed, twice)[0] == {1: told}
    placed = script.model_copy(update={"panels": (first, about.model_copy(update={"place": "a cave", "seed": 5}))})
    assert standing_notes(parsed, placed)[0] == {1: told}
    for change in (
        {"description": "Ann is lost"},
        {"dialogue": (Line(speaker="Ann", text="I am lost."),)},
        {"characters": ()},
        {"caption": "Then"},
    ):
        assert about.model_copy(update=change) != about
        edited_now = script.model_copy(update={"panels": (first, about.model_copy(update=change))})
        assert standing_notes(parsed, edited_now)[0] == {}, change
    assert standing_notes(parsed, without(script, at + 1))[0] == {}
    met = first.model_copy(update={"characters": (*first.characters, Presence(name="Zed"))})
    assert [text for text in standing_notes(parsed, script)[1] if "Zed" in text]
    assert not standing_notes(parsed, script.model_copy(update={"panels": (met,)}))[1]
    assert standing_notes(None, script) == ({}, ())


def test_boxes_from_a_browser_are_boxes_of_the_picture_or_none() -> None:
    given = {"boxes": [{"name": "a", "box": [-1, 0.2, 0.5, 2]}, {"name": "b", "box": [0.5, 0, 0.4, 1]}, {"name": "c"}]}
    assert read_boxes(given) == {"a": (0.0, 0.2, 0.5, 1.0), "b": None, "c": None}
    assert as_box(["x", 0, 1, 1]) is None
    assert read_boxes(None) == {}


def candidate(**changes: object) -> Candidate:
    usual = Candidate("c", "p", 1, "", "", "fake", (100, 50), (Figure("Rolf", (50, 0, 100, 50)),), "d", None, 0.0)
    return replace(usual, **changes)  # type: ignore[arg-type]


def test_why_there_are_no_routing_maps_is_told_as_it_is() -> None:
    def told(chosen: Candidate | None) -> str:
        return maps_told(PanelState("p", SCRIPT.panels[0], chosen=chosen))

    assert told(None).startswith("Once the panel is drawn")
    assert told(candidate(engine="story-maker")) == "story-maker routes nobody: draw with any-story to see it."
    assert "its router was off" in told(candidate(engine="any-story"))
    assert told(candidate(engine="any-story", routes="digest")) == ""


def test_only_boxes_that_were_moved_are_kept() -> None:
    who = (*SCRIPT.panels[0].characters, Presence(name="Rolf"))
    panel = PanelState("p", SCRIPT.panels[0].model_copy(update={"characters": who}), chosen=candidate())
    assert [(one.name, one.box) for one in places(panel)] == [
        ("Ann", (0.1, 0.1, 0.5, 0.9)),
        ("Rolf", (0.5, 0.0, 1.0, 1.0)),
    ]
    assert moved_boxes(panel, {"Ann": (0.1, 0.1, 0.5, 0.9), "Rolf": (0.501, 0.0, 1.0, 1.0)}) == []
    assert moved_boxes(panel, {"Ann": None, "Rolf": (0.2, 0.0, 0.6, 1.0)}) == [
        ("Ann", None),
        ("Rolf", (0.2, 0.0, 0.6, 1.0)),
    ]


def test_only_the_fields_that_were_touched_are_kept() -> None:
    held, now = ("a", "b", "c"), ("a", "changed elsewhere", "c")
    assert merged(held, ("a", "b", "typed"), now) == ["a", "changed elsewhere", "typed"]
    assert merged(held, ("a", "typed", "c"), now) == ["a", "typed", "c"]


def test_words_of_a_panel_are_edited_with_what_they_do_not_show_kept() -> None:
    changed = edited(SCRIPT.panels[0], "Ann runs", "Ann", "Ann: Go!", "Later", "ZIP, ZAP")
    assert (changed.seed, changed.characters, changed.effects) == (5, SCRIPT.panels[0].characters, ("ZIP", "ZAP"))
    assert (changed.caption, changed.dialogue[0].text) == ("Later", "Go!")
    with pytest.raises(StoryError, match="shows nothing"):
        edited(SCRIPT.panels[0], " ", "", "", "", "")


def test_clothes_are_an_outfit_of_ones_own_or_another_characters() -> None:
    usual = [Entry("1", "Ann", (), "", "", (), (), ()), Entry("2", "Rolf", (), "", "", (), (), ())]  # type: ignore[arg-type]
    assert ("the clothes of Rolf", "clothes.Rolf") in outfits("Ann", usual)
    assert worn(SCRIPT.panels[0], "Ann") == "state:armour"
    swapped = dressed(SCRIPT.panels[0], "Ann", "clothes.Rolf")
    assert (swapped.engine, swapped.characters[0].state, worn(swapped, "Ann")) == (
        {"clothes.Ann": "Rolf"},
        "",
        "clothes.Rolf",
    )
    assert dressed(swapped, "Ann", "state:armour") == SCRIPT.panels[0]
    written = SCRIPT.panels[0].model_copy(update={"engine": {"clothes.ANN": "Rolf", "router": "off"}})
    assert worn(written, "Ann") == "clothes.Rolf"
    assert dressed(written, "Ann", "clothes.Bo").engine == {"router": "off", "clothes.Ann": "Bo"}


def test_settings_go_with_whom_they_are_of() -> None:
    panel = SCRIPT.panels[0].model_copy(
        update={
            "characters": (Presence(name="Ann"), Presence(name="Rolf")),
            "engine": {"clothes.ann": "Rolf", "face_strength.Rolf": 0.5, "router": "off"},
        }
    )
    script = SCRIPT.model_copy(update={"panels": (panel, SCRIPT.panels[1])})
    left = {"face_strength.Rolf": 0.5, "router": "off"}
    assert edited(panel, "Rolf reads", "Rolf", "", "", "").engine == left
    rows = rows_of(script, {})
    assert script_of(rows, script) == script
    rows[0][2] = "Rolf"
    assert script_of(rows, script).panels[0].engine == left


def test_maps_are_read_back_from_their_picture_and_tint_their_own_half() -> None:
    grey = Image.new("RGB", (32, 32), (200, 200, 200))
    left = np.zeros((3, 8, 8), dtype=np.float32)
    left[0, :, :4], left[2, :, 4:] = 1, 1
    maps = maps_of(routes_picture(grey, left), grey)
    assert maps.shape == (3, 32, 32)
    assert maps[0, :, :12].min() > 0.9
    assert maps[0, :, 20:].max() < 0.1
    tinted = np.asarray(overlaid(grey, maps, ["#c43a23", "#1f6fb2"]))
    assert tuple(tinted[16, 28]) == (200, 200, 200)
    assert tinted[16, 4, 0] > tinted[16, 4, 2] + 40


def test_black_outlines_belong_to_whose_map_they_stand_in() -> None:
    drawn = Image.new("RGB", (64, 64), (180, 180, 180))
    drawn.paste((0, 0, 0), (0, 30, 64, 33))  # a line through both halves
    drawn.paste((0, 0, 0), (40, 40, 64, 64))  # and a corner as black as the night
    right = np.zeros((3, 8, 8), dtype=np.float32)
    right[1, :, 4:], right[2, :, :4] = 1, 1
    winner = maps_of(routes_picture(drawn, right), drawn).argmax(0)
    assert (winner[31, :24] == 2).all()
    assert (winner[31, 40:] == 1).all()
    assert (winner[52:, 52:] == 2).all()


def test_a_map_has_the_colour_of_its_characters_box() -> None:
    now = SCRIPT.panels[0].model_copy(update={"characters": (Presence(name="Rolf"), Presence(name="Ann"))})
    assert map_colours(["Ann", "Rolf", "Zed"], now) == [colour(1), colour(0), GONE]


def test_a_crop_is_kept_and_a_corrected_face_becomes_a_close_up() -> None:
    draft = Draft(encode_png(picture()), "ann.png", picture(), face=(0.3, 0.3, 0.6, 0.6))
    still = with_boxes(draft, None, draft.face)
    assert records(still, "mine") == (ReferenceRecord(draft.data, None, "front", "ann.png", "mine"),)
    cropped = with_boxes(draft, (0.25, 0.0, 0.75, 1.0), (0.25, 0.25, 0.5, 0.5))
    whole, face = records(cropped, "mine")
    assert cropped.shown.size == (32, 64)
    assert (whole.view, face.view, face.consent) == ("front", "close-up", "mine")


def test_painting_adds_to_the_mask_and_takes_away_but_never_all() -> None:
    draft = Draft(encode_png(picture()), "ann.png", picture())
    stroke = Image.new("RGBA", (64, 64))
    stroke.paste((255, 0, 0, 255), (0, 0, 16, 16))
    assert not seen(draft).mask[:16, :16].any()
    assert seen(painted(draft, [stroke], True)).mask[:16, :16].all()
    everything = Image.new("RGBA", (64, 64), (255, 0, 0, 255))
    with pytest.raises(PictureError, match="nothing of the picture would be left"):
        painted(draft, [everything], False)


def test_a_crop_that_leaves_the_cut_out_outside_is_refused() -> None:
    corner = Image.new("L", (64, 64))
    corner.paste(255, (0, 0, 16, 16))
    draft = Draft(encode_png(picture()), "ann.png", picture(), corner)
    assert with_boxes(draft, (0.0, 0.0, 0.5, 0.5), None).crop is not None
    with pytest.raises(PictureError, match="nothing of the cut-out would be left in the crop"):
        with_boxes(draft, (0.5, 0.5, 1.0, 1.0), None)


def test_a_kept_mask_that_shows_nobody_is_found_again(library: CastLibrary) -> None:
    nobody = ReferenceRecord(encode_png(picture()), encode_png(Image.new("L", (64, 64))))
    library.add(CharacterRecord("Ann", references=(nobody,)))
    (draft,) = drafts_of(library, "Ann")
    assert seen(draft).mask.any()
    entry = save_character(library, Words("Ann"), [draft], known="Ann", consent="", real_person=False)
    assert [one.mask for one in entry.references] == [None]


def test_a_character_is_saved_changed_and_keeps_unchanged_pictures(library: CastLibrary) -> None:
    draft = Draft(encode_png(picture()), "ann.png", picture())
    made = save_character(library, Words("Ann", (), "she", "a girl"), [draft], consent="mine", real_person=False)
    (kept,) = drafts_of(library, "Ann")
    second = Draft(encode_png(picture("blue")), "two.png", picture("blue"))
    named = Words("Anna", ("Ann",), "she", "a girl")
    changed = save_character(library, named, [kept, second], known="Ann", consent="signed", real_person=True)
    assert (changed.id, changed.name, changed.aliases) == (made.id, "Anna", ("Ann",))
    assert [(one.picture == made.references[0].picture, one.consent) for one in changed.references] == [
        (True, "signed"),
        (False, "signed"),
    ]
    masked = painted(drafts_of(library, "Anna")[0], [Image.new("RGBA", (64, 64), (1, 1, 1, 255))], True)
    again = save_character(library, named, [masked], known="Anna", consent="signed", real_person=True)
    assert [one.mask is not None for one in again.references] == [True]


def test_a_real_person_needs_consent_and_a_character_a_picture(library: CastLibrary) -> None:
    draft = Draft(encode_png(picture()), "ann.png", picture())
    with pytest.raises(PolicyError, match="needs consent"):
        save_character(library, Words("Ann"), [draft], consent=" ", real_person=True)
    with pytest.raises(CastError, match="at least one picture"):
        save_character(library, Words("Ann"), [], consent="", real_person=False)
    library.add(CharacterRecord("Bob", references=(ReferenceRecord(draft.data),)))
    with pytest.raises(CastError, match="no picture left"):
        save_character(library, Words("Bob"), [], known="Bob", consent="", real_person=False)


def test_a_design_keeps_what_its_kind_can_have() -> None:
    robot = subject_of("x", {"kind": "robot", "hair": "mohawk", "top": "red"})
    assert isinstance(robot, Look)
    assert (robot.kind, robot.top) == ("robot", "red")
    car = subject_of("x", {"kind": "car", "color": "blue", "top": "red"})
    assert isinstance(car, Thing)
    assert car.color == "blue"


def test_a_job_in_words_says_why_it_stands_still() -> None:
    row = JobRow(id="1", number=1, owner="a", kind="draw", task='{"missing_only": false}', order="", state="running")
    row.created, row.panels, row.panels_done, row.panel, row.stage, row.lease = 0.0, 4, 1, 2, "panels", time.time() + 30
    session: Any = None  # not asked: the job is not in the queue
    assert "Drawing panel 2, 1 of 4 done" in job_html(read_job(session, row))
    row.lease = time.time() - 12
    told = job_html(read_job(session, row))
    assert 'role="alert"' in told
    assert "its worker has not been heard of for 42 seconds" in told


def test_every_style_has_a_card_with_a_picture_of_its_own_kind() -> None:
    cards = style_cards()
    assert [card.id for card in cards[1:]] == list(load_styles())
    assert all(card.src.startswith("data:image/webp") and card.alt for card in cards)
    assert len({card.src for card in cards}) > 12


def test_a_picture_in_a_page_is_small() -> None:
    assert len(data_uri(Image.effect_noise((2000, 1000), 80).convert("RGB"), 64)) < 10_000


def test_engines_are_offered_for_a_base_that_is_not_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ("any-story", "any-story") in engine_choices("/elsewhere/their-base")
    assert "Weights:" in licence_of("/elsewhere/their-base", "")
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path))  # a hub's base: its engines' weights are here or nowhere
    assert ("any-story (no weights here)", "any-story") in engine_choices("somebody/their-base")
    for part in ("image_encoder", "engines/any-story"):
        (folder := tmp_path / "bases" / "somebody--their-base" / part).mkdir(parents=True)
        (folder / "weights").touch()
    assert ("any-story", "any-story") in engine_choices("somebody/their-base")


def test_the_history_shows_the_last_edits_the_newest_first(tmp_path: Path) -> None:
    mine = Studio(tmp_path, "", False).projects(LOCAL)
    made = mine.create("One")
    for number in range(HISTORY):
        mine.rename(made.id, f"Title {number}")
    told = history_of(mine, mine.set_story(made.id, "Ann waves."))
    assert told.count("<li") == HISTORY
    assert "</time> story</li>" in told.partition("</li>")[0] + "</li>"
    assert 'aria-current="true"' in told.partition("</li>")[0]
    assert "created" not in told
