"""Projects: edited, undone, copied, apart from those of others."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from inkcast.app.project import new_id
from inkcast.app.projects import Projects
from inkcast.app.store import AppStore, put_file
from inkcast.app.tables import CandidateRow
from inkcast.cast.database import Database
from inkcast.cast.store import CastLibrary
from inkcast.errors import ConflictError, InkcastError, NotFoundError, StoryError
from inkcast.story.script import Panel, Presence, Script, dump_script

SCRIPT = """\
# drawn for the school paper
version: 1
panels:
  - description: Ann waves.
    characters: [Ann]
  - description: Rolf jumps.   # the high jump
    characters: [Rolf]
  - description: Ann and Rolf sit.
    characters: [Ann, Rolf]
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AppStore]:
    store = AppStore("", tmp_path)
    yield store
    store.close()


@pytest.fixture
def projects(store: AppStore) -> Projects:
    return Projects(store, "local")


def add_candidate(store: AppStore, project_id: str, panel: str, seed: int) -> str:
    """A picture of a panel, as a worker leaves it; drawn at the time `seed`."""
    stream = io.BytesIO()
    Image.new("RGB", (24, 16), (seed % 256, 0, 0)).save(stream, "PNG")
    facts = {
        "prompt": "p",
        "negative": "",
        "size": [24, 16],
        "characters": ["Ann"],
        "figures": [{"name": "Ann", "box": [0, 0, 9, 9], "face": None}],
    }
    with store.writing() as session:
        digest = put_file(session, project_id, stream.getvalue())
        row = CandidateRow(
            id=new_id(),
            project_id=project_id,
            job_id=new_id(),
            panel=panel,
            turn=0,
            seed=seed,
            engine="fake",
            facts=json.dumps(facts),
            picture=digest,
            drawn=float(seed),
        )
        session.add(row)
        return row.id


def test_every_edit_is_kept_and_can_be_undone_and_redone(projects: Projects, store: AppStore) -> None:
    made = projects.create("One", "Ann waves.")
    projects.set_story(made.id, "Rolf waves.")
    projects.rename(made.id, "Two")
    assert Projects(store, "local").get(made.id).title == "Two"
    assert projects.undo(made.id).title == "One"
    assert projects.undo(made.id).story == "Ann waves."
    with pytest.raises(ConflictError):
        projects.undo(made.id)
    assert projects.redo(made.id).story == "Rolf waves."
    projects.set_cast(made.id, ["Ann"])
    with pytest.raises(ConflictError):
        projects.redo(made.id)  # the edit took the place of what had been undone
    assert [one.what for one in projects.history(made.id)] == ["cast", "story", "created"]


def test_editing_a_script_keeps_comments_and_pictures(projects: Projects, store: AppStore) -> None:
    made = projects.create(script=SCRIPT, cast=["Ann", "Rolf"])
    first, second, third = (panel.id for panel in made.panels)
    for number, panel in enumerate((first, second, third), 1):
        add_candidate(store, made.id, panel, number)
    panel = made.panels[1].script.model_copy(update={"description": "Rolf sleeps."})
    edited = projects.set_panel(made.id, second, panel)
    assert "# drawn for the school paper" in edited.script_text
    assert [one.id for one in edited.panels] == [first, second, third]
    shorter = edited.script.model_copy(update={"panels": edited.script.panels[1:]})
    kept = projects.set_script(made.id, shorter)
    assert [(one.id, one.chosen.seed) for one in kept.panels if one.chosen] == [(second, 2), (third, 3)]
    assert [one.id for one in projects.undo(made.id).panels] == [first, second, third]


def test_a_region_is_the_box_of_the_script(projects: Projects) -> None:
    made = projects.create(script=SCRIPT)
    panel = made.panels[2].id
    moved = projects.set_region(made.id, panel, "rolf", (0.5, 0.0, 1.0, 1.0))
    assert [one.box for one in moved.script.panels[2].characters] == [None, (0.5, 0.0, 1.0, 1.0)]
    with pytest.raises(StoryError, match="does not show"):
        projects.set_region(made.id, made.panels[0].id, "Rolf", (0, 0, 1, 1))
    with pytest.raises(StoryError, match="is no box"):
        projects.set_region(made.id, panel, "Rolf", (0.5, 0, 0.5, 1))
    free = projects.set_region(made.id, panel, "Rolf", None)
    assert free.script.panels[2].characters[1].box is None


def test_the_newest_picture_shows_until_one_is_chosen(projects: Projects, store: AppStore) -> None:
    made = projects.create(script=SCRIPT)
    panel = made.panels[0].id
    old, new = (add_candidate(store, made.id, panel, seed) for seed in (1, 2))
    shown = projects.get(made.id).panels[0].chosen
    assert shown is not None
    assert shown.id == new
    assert projects.choose(made.id, panel, old).panels[0].chosen.seed == 1  # type: ignore[union-attr]
    with pytest.raises(ConflictError):
        projects.remove_candidate(made.id, panel, old)
    assert [one.id for one in projects.remove_candidate(made.id, panel, new).panels[0].candidates] == [old]
    with pytest.raises(NotFoundError):
        projects.choose(made.id, made.panels[1].id, old)  # another panel's
    drawn = projects.drawn(made.id)
    assert drawn[0] is not None
    assert drawn[0].picture.size == (24, 16)
    assert drawn[1:] == (None, None)


def test_a_copy_has_the_pictures_and_outlives_the_original(projects: Projects, store: AppStore) -> None:
    made = projects.create("Moon", script=SCRIPT)
    panel = made.panels[0].id
    old, _ = (add_candidate(store, made.id, panel, seed) for seed in (1, 2))
    projects.choose(made.id, panel, old)
    copy = projects.duplicate(made.id)
    projects.delete(made.id)
    chosen = projects.get(copy.id).panels[0].chosen
    assert chosen is not None
    assert (chosen.seed, copy.title) == (1, "Moon (copy)")
    assert Image.open(io.BytesIO(projects.picture(copy.id, chosen.picture))).getpixel((0, 0)) == (1, 0, 0)
    assert [(one.id, one.panels, one.drawn, one.cover) for one in projects.list()] == [(copy.id, 3, 1, chosen.picture)]


def test_nobody_reaches_anothers_project(projects: Projects, store: AppStore) -> None:
    made = projects.create(script=SCRIPT)
    picture = add_candidate(store, made.id, made.panels[0].id, 1)
    digest = projects.get(made.id).panels[0].candidates[0].picture
    other = Projects(store, "f" * 32)
    mine = other.create(script=SCRIPT)
    assert other.list() == tuple(one for one in other.list() if one.id == mine.id)
    for reach in (
        lambda: other.get(made.id),
        lambda: other.picture(made.id, digest),
        lambda: other.picture(mine.id, digest),
        lambda: other.choose(mine.id, mine.panels[0].id, picture),
        lambda: other.duplicate(made.id),
        lambda: other.delete(made.id),
        lambda: other.undo(made.id),
        lambda: other.history(made.id),
    ):
        with pytest.raises(NotFoundError):
            reach()
    assert projects.get(made.id).panels[0].candidates


@pytest.mark.parametrize(
    "changes",
    [{"steps": "many"}, {"poses": ()}, {"seed": True}, {"steps": 1.5}, {"device": "cuda"}],
    ids=lambda changes: str(next(iter(changes))),
)
def test_a_choice_that_no_project_has_is_refused(projects: Projects, changes: dict[str, object]) -> None:
    made = projects.create()
    with pytest.raises(InkcastError):
        projects.set_drawing(made.id, **changes)
    assert projects.get(made.id).drawing == {}


def test_a_script_names_no_files_of_the_machine(projects: Projects) -> None:
    """A pose or mask in a script from elsewhere would be a way to the studio's own disk."""
    made = projects.create()
    with pytest.raises(StoryError, match=r"'/etc/passwd'.* upload"):
        projects.set_script(made.id, "panels:\n- {description: rain, pose: /etc/passwd}\n")
    with pytest.raises(StoryError, match="upload"):
        projects.create(script=Script(panels=(Panel(description="rain", pose="/etc/passwd"),)))
    drawn = projects.set_script(made.id, "panels:\n- {description: rain}\n")
    with pytest.raises(StoryError, match="upload"):
        projects.set_panel(made.id, drawn.panels[0].id, Panel(description="rain", pose="/etc/passwd"))
    masked = Panel(description="rain", characters=(Presence(name="Ann", mask="/etc/passwd"),))
    with pytest.raises(StoryError, match=r"mask '/etc/passwd' for 'Ann'.* takes no masks: give a box instead"):
        projects.set_script(made.id, dump_script(Script(panels=(masked,))))
    with pytest.raises(StoryError, match="takes no masks"):
        projects.create(script=Script(panels=(masked,)))
    with pytest.raises(StoryError, match="takes no masks"):
        projects.set_panel(made.id, drawn.panels[0].id, masked)


def test_a_page_no_printer_has_is_refused_and_a_good_one_kept(projects: Projects) -> None:
    made = projects.create()
    with pytest.raises(InkcastError, match="layout"):
        projects.set_page(made.id, layout="spiral")
    with pytest.raises(InkcastError, match="unknown page option"):
        projects.set_page(made.id, template="/etc/passwd")
    assert projects.set_page(made.id, layout="auto", dpi=72).options.dpi == 72


def test_a_broken_script_changes_nothing(projects: Projects) -> None:
    made = projects.create(script=SCRIPT)
    with pytest.raises(StoryError):
        projects.set_script(made.id, "panels: [{}]")
    assert projects.get(made.id).script_text == SCRIPT


def test_the_demo_comes_once(store: AppStore, tmp_path: Path) -> None:
    projects = Projects(store, "local")
    with CastLibrary(Database("", tmp_path)) as library:
        demo = projects.demo(library)
        assert demo is not None
        assert {entry.name for entry in library.entries()} == set(demo.cast)
        assert {one.name for panel in demo.script.panels for one in panel.characters} == set(demo.cast)
        projects.delete(demo.id)
        assert projects.demo(library) is None
        other = Projects(store, "a" * 32)
        other.create("mine")
        assert other.demo(library) is None
