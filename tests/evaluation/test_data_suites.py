"""Folders of data as suites: what is asked for, of whom, in which words; and what is refused."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkcast.errors import UsageError
from inkcast.evaluation.data_suites import data_suite
from inkcast.evaluation.dreambench import read_dreambench_list
from inkcast.evaluation.protocols import FASTCOMPOSER, FASTCOMPOSER_PAIRS, STORYMAKER
from inkcast.evaluation.results import Shown, summary
from inkcast.evaluation.suites import PLAIN, Seen

LIST = """Classes

subject_name,class
backpack,backpack
dog3,dog
vase,vase

Prompts

Object Prompts

prompt_list = [
'a {0} {1} in the jungle'.format(unique_token, class_token),
'a red {0} {1}'.format(unique_token, class_token),
]

Live Subject Prompts

prompt_list = [
'a {0} {1} wearing a black top hat and a monocle'.format(unique_token, class_token),
'a cube shaped {0} {1}'.format(unique_token, class_token)
]
"""


def paint(path: Path, colour: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 24), colour).save(path)


def identities(folder: Path, count: int) -> Path:
    for k in range(count):
        paint(folder / f"id-{k:02d}" / "0.png", "red")
    paint(folder / "id-00" / "1.png", "blue")
    (folder / "id-01" / "noun.txt").write_text("an old man\n")
    return folder


def test_fastcomposer_is_fifteen_by_forty_by_four(tmp_path: Path) -> None:
    suite = data_suite("fastcomposer", identities(tmp_path, 17), seed=1)
    assert len(suite.commissions) == 15 * 40 * 4
    assert len(set(FASTCOMPOSER.prompts)) == 40
    assert len({one.key for one in suite.commissions}) == len({one.seed for one in suite.commissions}) == 2400
    assert {one.cluster for one in suite.commissions} == {f"id-{k:02d}" for k in range(15)}
    first = suite.commissions[0]
    assert first.words == "a person wearing a green felt hat"
    assert [len(one.cast[0].references) for one in suite.commissions[:1]] == [1], "the first picture is the reference"
    assert suite.commissions[160].words == "an old man wearing a green felt hat"
    assert first.panel.parts[0] == first.cast[0].id
    assert "own prompts" in suite.about
    assert all(prompt.count("{}") == 1 for prompt in FASTCOMPOSER.prompts)


def test_storymaker_is_forty_by_twenty_by_four(tmp_path: Path) -> None:
    suite = data_suite("storymaker", identities(tmp_path, 40), seed=1)
    assert len(suite.commissions) == 40 * 20 * 4
    assert len(set(STORYMAKER.prompts)) == 20


def test_a_commission_keeps_its_seed_when_others_come_or_go(tmp_path: Path) -> None:
    folder = identities(tmp_path, 4)
    some = {one.key: one.seed for one in data_suite("fastcomposer", folder, 1, images=1, limit=2).commissions}
    more = {one.key: one.seed for one in data_suite("fastcomposer", folder, 1, images=2, limit=3).commissions}
    assert some.items() <= more.items()
    other = {one.key: one.seed for one in data_suite("fastcomposer", folder, 2, images=1, limit=2).commissions}
    assert other.keys() == some.keys()
    assert not set(other.values()) & set(some.values())


def test_the_original_prompts_replace_ours(tmp_path: Path) -> None:
    folder = identities(tmp_path, 2)
    (folder / "prompts.txt").write_text("".join(f"a photo of {{}}, number {k}\n" for k in range(40)))
    suite = data_suite("fastcomposer", folder, 0, images=1, limit=1)
    assert suite.commissions[3].words == "a photo of a person, number 3"
    assert "with prompts.txt" in suite.about
    (folder / "prompts.txt").write_text("only {}\n")
    with pytest.raises(UsageError, match="has 1 prompts, but fastcomposer takes 40"):
        data_suite("fastcomposer", folder, 0, limit=1)
    (folder / "prompts.txt").write_text("nobody here\n" * 40)
    with pytest.raises(UsageError, match=r"needs \{\} for"):
        data_suite("fastcomposer", folder, 0, limit=1)


@pytest.mark.parametrize("name", ["prompts.txt", "id-01/noun.txt"])
def test_words_that_are_not_text_are_named(tmp_path: Path, name: str) -> None:
    folder = identities(tmp_path, 2)
    (folder / name).write_bytes("a caf\xe9 in {}\n".encode("latin-1"))
    with pytest.raises(UsageError, match=rf"{name}' is not UTF-8 text \(byte 5\): save it as UTF-8"):
        data_suite("fastcomposer", folder, 0, limit=2)


def test_fastcomposer_s_pairs_are_a_hundred_and_five_by_twenty_one_by_four(tmp_path: Path) -> None:
    suite = data_suite("fastcomposer-pairs", identities(tmp_path, 17), seed=1)
    assert len(suite.commissions) == 105 * 21 * 4
    assert len({one.key for one in suite.commissions}) == len({one.seed for one in suite.commissions}) == 8820
    assert len(set(FASTCOMPOSER_PAIRS.prompts)) == 21
    casts = {tuple(character.id for character in one.cast) for one in suite.commissions}
    assert len({frozenset(cast) for cast in casts}) == len(casts) == 105
    assert all(first != second for first, second in casts)
    assert {one.cluster for one in suite.commissions} == {"+".join(cast) for cast in casts}
    first = suite.commissions[0]
    assert first.words == "an oil painting of a person and an old man"
    assert [part for part in first.panel.parts if part in {"id-00", "id-01"}] == ["id-00", "id-01"]


def test_intervals_of_pairs_are_over_means_of_pairs(tmp_path: Path) -> None:
    suite = data_suite("fastcomposer-pairs", identities(tmp_path, 4), seed=1, images=1, limit=4)
    pairs = [f"id-{a:02d}+id-{b:02d}" for a, b in combinations(range(4), 2)]
    chance = np.random.default_rng(7)
    at_pair, at_picture = dict(zip(pairs, chance.uniform(0.2, 0.8, 6), strict=True)), chance.normal(0, 0.3, 6 * 21)
    values = [at_pair[one.cluster] + off for one, off in zip(suite.commissions, at_picture, strict=True)]
    seen = tuple(Seen({"face_sim": float(value)}) for value in values)
    words = tuple(Seen({"face_sim": 0.1}) for _ in values)
    found = summary(suite, {}, [Shown(PLAIN, "", (), words), Shown("any-story", "", (), seen)])

    means = np.array(values).reshape(6, 21).mean(1)  # pair after pair, 21 prompts each
    drawn = means[np.random.default_rng(0).integers(6, size=(2000, 6))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    interval = found.tables[""]["any-story"]["face_sim"]
    assert (interval.mean, interval.low, interval.high) == pytest.approx((np.mean(values), low, high), abs=1e-12)
    assert interval.count == 6 * 21, "pictures"
    gain = found.gains[""]["any-story"]["face_sim"]
    assert (gain.low, gain.high) == pytest.approx((low - 0.1, high - 0.1), abs=1e-12)


def test_pairs_have_prompts_of_their_own(tmp_path: Path) -> None:
    folder = identities(tmp_path, 3)
    (folder / "prompts.txt").write_text("{} alone\n" * 40)
    (folder / "pair-prompts.txt").write_text("".join(f"{{}} and {{}}, number {k}\n" for k in range(21)))
    suite = data_suite("fastcomposer-pairs", folder, 0, images=1, limit=3)
    assert len(suite.commissions) == 3 * 21
    assert suite.commissions[2].words == "a person and an old man, number 2"
    assert suite.commissions[-1].words == "an old man and a person, number 20"
    assert "with pair-prompts.txt" in suite.about
    (folder / "pair-prompts.txt").write_text("{} alone\n" * 21)
    with pytest.raises(UsageError, match=r"needs \{\} and \{\} for"):
        data_suite("fastcomposer-pairs", folder, 0, limit=2)
    with pytest.raises(UsageError, match="draws 2 identities together: give --limit 2"):
        data_suite("fastcomposer-pairs", folder, 0, limit=1)


def test_too_few_identities_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds 3 identities, but storymaker takes 40.*--limit 3"):
        data_suite("storymaker", identities(tmp_path, 3), 0)
    with pytest.raises(UsageError, match="is not a folder"):
        data_suite("storymaker", tmp_path / "nowhere", 0)


@pytest.fixture
def dreambench(tmp_path: Path) -> Path:
    (tmp_path / "prompts_and_classes.txt").write_text(LIST)
    for name in ("backpack/00.jpg", "backpack/01.jpg", "dog3/00.jpg", "elsewhere/00.jpg"):
        paint(tmp_path / name, "green")
    return tmp_path


def test_dreambench_prompts_go_by_the_sort_of_subject(dreambench: Path) -> None:
    suite = data_suite("dreambench", dreambench, 0, images=1)
    assert [one.words for one in suite.commissions] == [
        "a backpack in the jungle",
        "a red backpack",
        "a dog wearing a black top hat and a monocle",
        "a cube shaped dog",
    ]
    assert [len(one.cast[0].references) for one in suite.commissions] == [2, 2, 1, 1]
    assert len(data_suite("dreambench", dreambench, 0, limit=1).commissions) == 2 * 4
    assert read_dreambench_list(dreambench / "prompts_and_classes.txt").classes["vase"] == "vase"


def test_dreambench_without_its_list_or_subjects_is_refused(dreambench: Path) -> None:
    (dreambench / "prompts_and_classes.txt").write_text("Classes\n\nsubject_name,class\nbackpack,backpack\n")
    with pytest.raises(UsageError, match="lists no classes, or no prompts"):
        data_suite("dreambench", dreambench, 0)
    (dreambench / "prompts_and_classes.txt").write_bytes(b"Classes\n\xe9")
    with pytest.raises(UsageError, match=r"prompts_and_classes\.txt' is not UTF-8 text"):
        data_suite("dreambench", dreambench, 0)
    (dreambench / "prompts_and_classes.txt").unlink()
    with pytest.raises(UsageError, match="is missing"):
        data_suite("dreambench", dreambench, 0)
    (dreambench / "prompts_and_classes.txt").write_text(LIST.replace("backpack,", "bag,").replace("dog3", "dog4"))
    with pytest.raises(UsageError, match="holds none of the subjects"):
        data_suite("dreambench", dreambench, 0)


def shot(index: int, static: str, *names: str) -> dict[str, object]:
    return {
        "index": index,
        "Setting Description": {"en": "A misty harbour.", "ch": "…"},
        "Plot Correspondence": {"en": "Long ago"},
        "Characters Appearing": {"en": list(names), "ch": []},
        "Static Shot Description": {"en": static},
        "Shot Perspective Design": {"en": "Wide shot"},
    }


def story(**changes: object) -> dict[str, object]:
    return {
        "Story_type": {"en": "Fable"},
        "Characters": {
            "Mara": {
                "name_en": "Mara",
                "prompt_en": "a young sailor with a braid, wearing blue",
                "tag": "realistic_human",
            },
            "Old Tom": {"name_en": "Tom", "prompt_en": "", "tag": "unrealistic_human"},
        },
        "Shots": [
            shot(1, "Mara stands at the rail.", "Mara"),
            shot(2, "Mara waves to old tom.", "Mara", "Old Tom"),
            shot(3, "The sea.", "Mara", "A Stranger"),
            shot(4, "Gulls in the sky."),
        ],
        **changes,
    }


@pytest.fixture
def vistory(tmp_path: Path) -> Path:
    for number in ("02", "10"):
        for name in ("Mara", "Old Tom"):
            paint(tmp_path / number / "image" / name / "00.jpg", "red")
            paint(tmp_path / number / "image" / name / "01.jpg", "blue")
        (tmp_path / number / "story.json").write_text(json.dumps(story()), encoding="utf-8-sig")
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_every_shot_of_every_story_is_asked_for(vistory: Path) -> None:
    suite = data_suite("vistory", vistory, 0)
    assert [one.key for one in suite.commissions][:5] == ["02/1/0", "02/2/0", "02/3/0", "02/4/0", "10/1/0"]
    assert [one.section for one in suite.commissions[:4]] == [
        "one character",
        "two characters",
        "one character",
        "nobody",
    ]
    assert {one.cluster for one in suite.commissions} == {"02", "10"}
    first, second, third, fourth = suite.commissions[:4]
    assert first.words == "a young sailor with a braid stands at the rail, A misty harbour, Wide shot"
    assert second.words.startswith("a young sailor with a braid waves to Tom,"), "called by the story's own key too"
    assert third.words.endswith(", a young sailor with a braid"), "not in the words, but on stage; strangers are not"
    assert fourth.words == "Gulls in the sky, A misty harbour, Wide shot"
    assert [len(one.cast) for one in suite.commissions[:4]] == [1, 2, 1, 0]
    assert len(first.cast[0].references) == 2
    assert first.cast[0].id != suite.commissions[4].cast[0].id, "another story's Mara is somebody else"
    assert len(data_suite("vistory", vistory, 0, images=2, limit=1).commissions) == 8


def test_a_name_in_a_story_never_becomes_a_path(vistory: Path) -> None:
    paint(vistory / "secret" / "0.jpg", "green")
    wicked = story(Characters={"../../secret": {"name_en": "X"}}, Shots=[shot(1, "X", "../../secret")])
    (vistory / "02" / "story.json").write_text(json.dumps(wicked))
    with pytest.raises(UsageError, match=r"has no pictures of '\.\./\.\./secret'"):
        data_suite("vistory", vistory, 0)


def test_stories_that_do_not_fit_are_named(vistory: Path) -> None:
    path = vistory / "02" / "story.json"
    path.write_text("{")
    with pytest.raises(UsageError, match=r"story\.json' is not JSON"):
        data_suite("vistory", vistory, 0)
    path.write_text(json.dumps({"Characters": {}}))
    with pytest.raises(UsageError, match="Shots: Field required"):
        data_suite("vistory", vistory, 0)
    with pytest.raises(UsageError, match="holds no numbered folder"):
        data_suite("vistory", vistory / "notes", 0)
    with pytest.raises(UsageError, match="unknown suite 'other'"):
        data_suite("other", vistory, 0)
