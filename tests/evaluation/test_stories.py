"""The story corpus and its scores."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from inkcast.evaluation.stories import (
    PARTS,
    TARGETS,
    Score,
    evaluate_part,
    evaluate_stories,
    format_results,
    load_corpus,
    score_story,
)
from inkcast.story.parser import parse_story


def test_the_corpus_is_large_and_names_only_its_casts() -> None:
    stories = [story for part in PARTS for story in load_corpus(part)]
    assert len(stories) >= 60
    assert len(load_corpus("frozen")) == 30
    assert len({story.name for story in stories}) == len(stories)
    assert {story.language for story in stories} == {"en", "de", "fr", "es", "zh", "ja"}
    for story in stories:
        names = {member.name for member in story.cast}
        for unit in story.units:
            assert unit.characters <= names
            assert set(unit.speakers) <= names | {"-"}


@pytest.mark.parametrize("part", PARTS)
def test_the_parser_meets_its_aims(part: str) -> None:
    result = evaluate_part(part)
    assert {task: score.f1 >= TARGETS[task] for task, score in result.scores.items()} == dict.fromkeys(TARGETS, True)


def test_scores_count_right_wrong_and_missed() -> None:
    score = Score(3, 1, 0) + Score(0, 0, 2)
    assert (score.precision, score.recall) == (0.75, 0.6)
    assert score.f1 == pytest.approx(2 / 3)


def test_mistakes_are_counted_where_they_are() -> None:
    story = load_corpus("development")[0]
    parsed = parse_story(story.text, story.cast, language=story.language)
    scores, mistakes = score_story(story, parsed)
    assert mistakes == []
    first = parsed.script.panels[0]
    fewer = first.model_copy(update={"characters": first.characters[:1], "place": "moon"})
    third = parsed.script.panels[2]
    silent = third.model_copy(
        update={"dialogue": tuple(line.model_copy(update={"speaker": None}) for line in third.dialogue)}
    )
    panels = (fewer, parsed.script.panels[1], silent, *parsed.script.panels[3:])
    worse, mistakes = score_story(story, replace(parsed, script=parsed.script.model_copy(update={"panels": panels})))
    assert worse["characters"].missed == scores["characters"].missed + 1
    assert (worse["places"].wrong, worse["places"].missed) == (1, 1)
    assert (worse["speakers"].wrong, worse["speakers"].missed) == (1, 1)
    assert {mistake.task for mistake in mistakes} == {"characters", "places", "speakers"}


def test_the_numbers_are_written(tmp_path: Path) -> None:
    results = evaluate_stories(tmp_path / "out")
    written = json.loads((tmp_path / "out" / "stories.json").read_text(encoding="utf-8"))
    assert [part["stories"] for part in written] == [result.stories for result in results]
    rows = list(csv.DictReader((tmp_path / "out" / "stories.csv").open(encoding="utf-8")))
    assert {row["part"] for row in rows} == set(PARTS)
    assert "frozen" in format_results(results)
