"""Characters go into the library and come out the same, in SQLite and in PostgreSQL."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from people import person, picture

from inkcast.cast.character import Character, Identity, State
from inkcast.cast.database import Database
from inkcast.cast.record import CharacterRecord, IdentityRecord, ReferenceRecord, Words
from inkcast.cast.store import CastLibrary
from inkcast.errors import CastError, OutputError
from inkcast.images import open_picture

NASTY = [
    "../../etc/passwd",
    "/",
    "C:\\Windows\\con",
    "a'b\"c`$(rm -rf)",
    "'; DROP TABLE cast_names; --",
    "100% %s %(x)s :name {0}",
    "🦊👨\u200d👩\u200d👧",
    "\u202eolleH",
    "مريم\u200f",
    "安·李",
    "x" * 300,
    "é" * 300,
    "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 300,
    ".",
    "-rf",
    "Strauß",
]

ANN = CharacterRecord(
    name="Ann Lee",
    aliases=("Annie", "Miss Lee"),
    pronouns="she",
    description="red hair",
    states=(State("armour", "shining steel"), State("as a child")),
    references=(
        ReferenceRecord(picture(1), view="front", source="ann.png", consent="drawn by me"),
        ReferenceRecord(picture(2), mask=picture(3), view="side", state="armour"),
    ),
)


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and "pictures" in path.parts[-3]}


def test_a_character_comes_back_as_it_was_added(library: CastLibrary, open_again: Callable[[], CastLibrary]) -> None:
    library.add(ANN)
    ann = open_again().character("ann lee")
    assert (ann.name, ann.aliases, ann.pronouns) == ("Ann Lee", ("Annie", "Miss Lee"), "she")
    assert (ann.description, ann.states) == ("red hair", ANN.states)
    front, side = ann.references
    assert front.digest == hashlib.sha256(picture(1)).hexdigest()
    assert front.image.tobytes() == open_picture(picture(1)).tobytes()
    assert (front.view, front.source, front.consent, front.state) == ("front", "ann.png", "drawn by me", "")
    assert front.mask is None
    assert (side.view, side.state) == ("side", "armour")
    assert side.mask is not None
    assert side.mask.mode == "L"
    assert side.mask.tobytes() == open_picture(picture(3)).convert("L").tobytes()
    assert open_again().record("Annie") == ANN


@pytest.mark.parametrize("name", ["ann lee", "ANN  LEE", "annie", "Ａｎｎｉｅ", "\u200fAnnie\u200e"])
def test_names_and_aliases_find_whatever_their_case_and_marks(library: CastLibrary, name: str) -> None:
    library.add(ANN)
    assert library.entry(name).name == "Ann Lee"


@pytest.mark.parametrize("taken", ["ANN LEE", "annie", "ann\u200b lee"])
def test_a_name_belongs_to_one_character(library: CastLibrary, taken: str) -> None:
    library.add(ANN)
    with pytest.raises(CastError, match="already"):
        library.add(person(taken))
    with pytest.raises(CastError, match=r"belongs to 'Ann Lee' already"):
        library.add(dataclasses.replace(person("Bob"), aliases=(taken,)))
    assert [entry.name for entry in library.entries()] == ["Ann Lee"]


def test_adding_several_is_all_or_nothing(library: CastLibrary) -> None:
    library.add(ANN)
    with pytest.raises(CastError):
        library.add(person("Bob"), person("Carl"), person("annie"))
    assert [entry.name for entry in library.entries()] == ["Ann Lee"]


def test_nasty_names_are_only_names(library: CastLibrary, tmp_path: Path) -> None:
    for seed, name in enumerate(NASTY):
        library.add(person(name, seed))
    assert {entry.name for entry in library.entries()} == set(NASTY)
    for name in NASTY:
        assert library.character(name).name == name
    assert files_below(tmp_path) == {hashlib.sha256(picture(seed)).hexdigest() for seed in range(len(NASTY))}
    for name in NASTY:
        library.remove(name)
    assert library.entries() == ()


@pytest.mark.parametrize("name", ["", "   ", "\u200f\u200d", "a\0b", "a\x1b[2J", "\ud800", "x" * 501])
def test_names_that_no_list_could_show_are_refused(library: CastLibrary, name: str) -> None:
    with pytest.raises(CastError) as caught:
        library.add(person(name))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


def test_extending_adds_and_keeps(library: CastLibrary) -> None:
    library.add(ANN)
    more = CharacterRecord(
        "ANNIE",
        ("Ms Lee",),
        states=(State("ARMOUR", "rusty"),),
        references=(ReferenceRecord(picture(4), state="Armour"),),
    )
    (entry,) = library.add(extending=[more])
    assert (entry.name, entry.aliases) == ("Ann Lee", ("Annie", "Miss Lee", "Ms Lee"))
    assert (entry.pronouns, entry.description) == ("she", "red hair")
    assert entry.states == (State("armour", "rusty"), State("as a child"))
    assert [(reference.view, reference.state) for reference in entry.references] == [
        ("front", ""),
        ("side", "armour"),
        ("front", "armour"),
    ]


def test_the_same_picture_for_the_same_use_is_kept_once(library: CastLibrary) -> None:
    library.add(person("Bob", 1))
    (entry,) = library.add(extending=[person("Bob", 1, 1, 2)])
    assert len(entry.references) == 2
    signed = CharacterRecord("Bob", references=(ReferenceRecord(picture(1), consent="signed"),))
    for record in (signed, person("Bob", 1)):
        (entry,) = library.add(extending=[record])
        assert [reference.consent for reference in entry.references] == ["signed", ""]


def test_a_new_character_needs_a_picture(library: CastLibrary) -> None:
    with pytest.raises(CastError, match="at least one picture"):
        library.add(extending=[CharacterRecord("Nobody")])


def test_removing_takes_just_that_character_and_its_own_pictures(library: CastLibrary, tmp_path: Path) -> None:
    library.add(person("Bob", 1, 2), person("Carl", 2, 3))
    library.remove("bob")
    assert [entry.name for entry in library.entries()] == ["Carl"]
    assert files_below(tmp_path) == {hashlib.sha256(picture(seed)).hexdigest() for seed in (2, 3)}
    assert len(library.character("Carl").references) == 2
    library.add(person("BOB", 1))  # the name is free again


def test_removing_one_picture(library: CastLibrary, tmp_path: Path) -> None:
    library.add(person("Bob", 1, 2, 3))
    left = library.remove_reference("Bob", 2)
    wanted = [hashlib.sha256(picture(seed)).hexdigest() for seed in (1, 3)]
    assert [reference.picture for reference in left.references] == wanted
    assert files_below(tmp_path) == set(wanted)
    library.add(extending=[person("Bob", 4)])
    assert len(library.character("Bob").references) == 3
    with pytest.raises(CastError, match="has no picture 4"):
        library.remove_reference("Bob", 4)
    with pytest.raises(CastError, match="has no picture 0"):
        library.remove_reference("Bob", 0)
    for _ in range(2):
        library.remove_reference("Bob", 1)
    with pytest.raises(CastError, match="all that shows 'Bob'"):
        library.remove_reference("Bob", 1)


def test_an_unknown_name_is_told_with_the_nearest(library: CastLibrary) -> None:
    library.add(ANN)
    with pytest.raises(CastError, match=r"nobody .* 'Anie'; did you mean 'Annie'\?"):
        library.entry("Anie")


def test_identities_return_bit_for_bit_for_the_same_references_and_weights(
    library: CastLibrary, open_again: Callable[[], CastLibrary]
) -> None:
    library.add(ANN)
    ann = library.character("Ann Lee")
    tensors = {"tokens": torch.randn(1, 3, 5).transpose(1, 2), "half": torch.randn(4).to(torch.bfloat16)}
    library.save_identity(ann, Identity("any-story", "w1", tensors))
    again = open_again()
    found = again.identity(again.character("annie"), "any-story", "w1")
    assert found is not None
    assert (found.engine, found.weights_digest) == ("any-story", "w1")
    assert {name: tensor.dtype for name, tensor in found.tensors.items()} == {
        "tokens": torch.float32,
        "half": torch.bfloat16,
    }
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items())
    assert library.identity(ann, "any-story", "w2") is None
    assert library.identity(ann, "story-maker", "w1") is None
    fewer = dataclasses.replace(ann, references=ann.references[:1])
    assert library.identity(fewer, "any-story", "w1") is None
    unmasked = dataclasses.replace(ann.references[1], mask=None)
    assert (
        library.identity(dataclasses.replace(ann, references=(ann.references[0], unmasked)), "any-story", "w1") is None
    )
    library.add(extending=[person("Ann Lee", 9)])
    assert library.identity(library.character("Ann Lee"), "any-story", "w1") is None


def test_an_identity_saved_twice_is_the_later_one(library: CastLibrary) -> None:
    library.add(ANN)
    ann = library.character("Ann Lee")
    for value in (1.0, 2.0):
        library.save_identity(ann, Identity("any-story", "w1", {"x": torch.full((2,), value)}))
    found = library.identity(ann, "any-story", "w1")
    assert found is not None
    assert found.tensors["x"].tolist() == [2.0, 2.0]
    assert len(library.entry("Ann Lee").identities) == 1


def test_an_identity_of_somebody_removed_is_refused(library: CastLibrary) -> None:
    library.add(ANN)
    ann = library.character("Ann Lee")
    library.remove("Ann Lee")
    with pytest.raises(CastError, match="not in the cast library any more"):
        library.save_identity(ann, Identity("any-story", "w1", {"x": torch.zeros(1)}))


def test_a_damaged_identity_is_told(library: CastLibrary) -> None:
    library.add(CharacterRecord("Bob", identities=(IdentityRecord("any-story", "w", "", b"junk"),)))
    with pytest.raises(CastError, match="'any-story' is damaged"):
        library.imported_identities(library.entry("Bob").id, "any-story")


def test_a_picture_changed_or_gone_is_told(library: CastLibrary, tmp_path: Path) -> None:
    library.add(person("Bob", 1))
    (path,) = [path for path in tmp_path.rglob("*") if path.name == hashlib.sha256(picture(1)).hexdigest()]
    path.write_bytes(picture(2))
    with pytest.raises(CastError, match="was changed"):
        library.character("Bob")
    library.add(person("Carl", 1))  # adding the picture again mends it
    assert isinstance(library.character("Bob"), Character)
    path.unlink()
    with pytest.raises(CastError, match="cannot be read"):
        library.record("Bob")


def test_a_picture_that_cannot_be_stored_leaves_no_character(
    library: CastLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OutputError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr("inkcast.cast.pictures.write_bytes", full)
    with pytest.raises(OutputError, match="disk is full"):
        library.add(person("Bob"))
    monkeypatch.undo()
    assert library.entries() == ()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from people import person, picture
from inkcast.cast.database import Database
from inkcast.cast.record import CharacterRecord, IdentityRecord, ReferenceRecord, Words
from inkcast.cast.store import CastLibrary
from inkcast.errors import InkcastError
library = CastLibrary(Database("", Path(sys.argv[2])))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
large = IdentityRecord("any-story", "w", "", bytes(3_000_000)), ReferenceRecord(picture(5, 400, 400))
for record in (CharacterRecord("Bob", identities=large[:1]), CharacterRecord("Carl", references=large[1:])):
    try:
        library.add(record)
    except InkcastError as error:
        sys.stdout.write(f"{error}\\n")
"""


def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path) -> None:
    """The limit on a file's size stands for the end of the disk."""
    library = CastLibrary(Database("", tmp_path))
    library.add(ANN)
    command = [sys.executable, "-c", FULL_DISK, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    database, folder = done.stdout.splitlines()
    assert "the cast library at" in database
    assert "cannot write" in folder
    assert library.record("Annie") == ANN
    assert [entry.name for entry in library.entries()] == ["Ann Lee"]
    assert len(files_below(tmp_path)) == 3
    library.add(person("Bob"))


def test_a_folder_of_any_name_will_do(tmp_path: Path) -> None:
    home = tmp_path / "100% ü ☕?#&; 'x'"
    for _ in range(2):
        with CastLibrary(Database("", home)) as library:
            library.add(extending=[ANN])
            assert library.record("Annie") == ANN
    assert {path.name.split(".")[0] for path in home.iterdir()} == {"cast", "cast-pictures"}


def test_words_are_replaced_and_the_rest_stays(library: CastLibrary) -> None:
    (entry,) = library.add(ANN)
    library.add(person("Bo", 4))
    assert library.name_of(entry.id) == "Ann Lee"
    changed = library.change("Annie", Words(name="Anna", aliases=("Miss Lee",), description=""))
    assert (changed.id, changed.name, changed.aliases, changed.description) == (entry.id, "Anna", ("Miss Lee",), "")
    assert (changed.pronouns, changed.states, changed.references) == ("she", entry.states, entry.references)
    with pytest.raises(CastError, match="nobody in the cast library is called 'Annie'"):
        library.entry("Annie")
    changed = library.change("Anna", Words(states=(State("cape", "red cape"),)))
    assert changed.states == (State("armour", ""), State("cape", "red cape"))  # a picture shows the armour
    assert library.entries() == (changed, library.entry("Bo"))


def test_a_name_of_somebody_else_is_refused_and_nothing_changes(library: CastLibrary) -> None:
    library.add(ANN, person("Bo", 4))
    before = library.entries()
    with pytest.raises(CastError, match="belongs to 'Bo'"):
        library.change("Ann Lee", Words(name="BO", description="changed"))
    with pytest.raises(CastError, match="nobody in the cast library has the id 'nobody'"):
        library.name_of("nobody")
    assert library.entries() == before
