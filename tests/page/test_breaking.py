"""Line breaking in several scripts, with a ruler whose letters are all one em wide."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkcast.page.breaking import Piece, Ruler, Run, clean, clusters, fill, measured, pieces, wrap
from inkcast.page.ovals import POWER, ovals, profile

_RULER = Ruler(lambda text: float(len(text)), 1.0, 1.0)


def _run(text: str, language: str = "en", longest: float = 1e9) -> Run:
    return measured(pieces(text, language, lambda word: len(word) > longest), _RULER)


def test_words_are_pieces_and_spaces_are_kept() -> None:
    assert pieces("Oh, no!", "en") == (Piece("Oh,", space=True), Piece("no!", space=True))


def test_clean_takes_controls_and_keeps_marks_of_direction() -> None:
    assert clean(" a\n b\x07\tc ") == "a b c"
    assert clean("\u200fשלום\u200f") == "\u200fשלום\u200f"
    assert clean("e\u0301") == "é"


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Silbentrennung", "de", ["Sil-", "ben-", "tren-", "nung"]),
        ("extraordinary", "en-US", ["ex-", "tra-", "or-", "di-", "nary"]),
    ],
)
def test_words_too_wide_are_hyphenated_by_their_language(text: str, language: str, expected: list[str]) -> None:
    lines = fill(_run(text, language, longest=6), [6.0] * 9)
    assert lines is not None
    assert "".join(line.rstrip("-") for line in lines) == text
    assert all(line.endswith("-") for line in lines[:-1])
    stops = {"".join(part.rstrip("-") for part in expected[: index + 1]) for index in range(len(expected))}
    so_far = ""
    for line in lines:
        so_far += line.rstrip("-")
        assert so_far in stops


def test_a_word_nobody_can_hyphenate_is_cut_and_nothing_is_lost() -> None:
    lines = fill(_run("A" * 300, "xx", longest=20), [20.0] * 20)
    assert lines is not None
    assert "".join(lines) == "A" * 300
    assert all(len(line) <= 20 for line in lines)


def test_chinese_breaks_anywhere_but_before_a_stop_or_after_an_opening_bracket() -> None:
    lines = fill(_run("他说：「你好。」然后走了。", "zh"), [4.0] * 9)
    assert lines is not None
    assert "".join(lines) == "他说：「你好。」然后走了。"
    assert not any(line[0] in "。」：" or line[-1] in "「" for line in lines)


def test_japanese_breaks_between_phrases() -> None:
    cut = [piece.text for piece in pieces("また聞こえる。下に誰かいる。", "ja")]
    assert cut == ["また", "聞こえる。", "下に", "誰かいる。"]


def test_korean_breaks_at_spaces() -> None:
    assert [piece.text for piece in pieces("저 소리 들려?", "ko")] == ["저", "소리", "들려?"]


def test_marks_and_emoji_stay_with_their_letters() -> None:
    assert clusters("ก็👩‍🚀é👍🏽") == ["ก็", "👩‍🚀", "é", "👍🏽"]


@settings(deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=30), st.integers(9, 40))
def test_lines_hold_every_word_and_stay_within_their_limit(words: list[str], limit: int) -> None:
    lines = wrap(_run(" ".join(words)), float(limit))
    assert lines is not None
    assert " ".join(lines).split() == words
    assert all(len(line) <= limit for line in lines)
    greedy = fill(_run(" ".join(words)), [float(limit)] * len(words))
    assert greedy is not None
    assert len(lines) == len(greedy)


def test_wrapping_evens_out_the_lines() -> None:
    assert wrap(_run("aaaa bbbb cccc dddd"), 14.0) == ["aaaa bbbb", "cccc dddd"]


def test_too_narrow_is_said() -> None:
    assert wrap(_run("abc"), 2.0) is None
    assert fill(_run("a b c"), [1.0, 1.0]) is None


@pytest.mark.parametrize("words", [1, 3, 9, 25, 60])
def test_ovals_hold_their_lines(words: int) -> None:
    run = _run(" ".join(["word", "a", "longer"][index % 3] for index in range(words)))
    for oval in ovals(run):
        assert " ".join(oval.lines).split() == [piece.text for piece in run.pieces]
        half_height, _ = profile(len(oval.lines))
        assert half_height == oval.half_height
        for index, line in enumerate(oval.lines):
            corner_x = len(line) / 2
            corner_y = abs(index - (len(oval.lines) - 1) / 2) * 1.16 + 0.4
            assert (corner_x / oval.half_width) ** POWER + (corner_y / oval.half_height) ** POWER < 1.0


def test_the_best_oval_of_a_sentence_is_wider_than_high_but_no_strip() -> None:
    best = ovals(_run("I was just about to fall asleep when it came back again"))[0]
    assert 1.0 <= best.half_width / best.half_height <= 2.8
