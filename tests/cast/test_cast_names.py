"""Which names are the same, and what may be written about a character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkcast.cast.names import clean_name, clean_pronouns, clean_view, name_key, split_pronouns
from inkcast.errors import CastError


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann", "ANN"),
        ("Straße", "STRASSE"),
        ("Ann  Lee", " ann lee "),
        ("Ａｎｎ", "Ann"),
        ("e\u0301", "\u00e9"),
        ("\u200fAnn\u202e", "Ann"),
    ],
)
def test_the_same_name(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("Ann", "Anna"), ("Ann", "An n"), ("a/b", "a\\b"), ("e", "é"), ("i", "ı")])
def test_different_names(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@given(st.text())
def test_a_clean_name_is_clean_and_keeps_its_key(text: str) -> None:
    try:
        name = clean_name(text)
    except CastError:
        return
    assert clean_name(name) == name
    assert name_key(name) == name_key(text)
    name.encode()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Ann Lee (she)", ("Ann Lee", "she")),
        ("Ann Lee(She/her) ", ("Ann Lee", "she")),
        ("Rex (it)", ("Rex", "it")),
        ("The twins (they/them)", ("The twins", "they")),
        ("Ann (the elder)", ("Ann (the elder)", "")),
        ("Ann (the elder) (she)", ("Ann (the elder)", "she")),
        ("(she)", ("(she)", "")),
        ("Ann", ("Ann", "")),
    ],
)
def test_pronouns_in_a_name(text: str, parts: tuple[str, str]) -> None:
    assert split_pronouns(text) == parts


def test_words_from_a_short_list() -> None:
    assert clean_pronouns("She/Her") == "she"
    assert clean_pronouns("") == ""
    assert clean_view(" Close-Up ") == "close-up"
    with pytest.raises(CastError, match="'xe' are not known; use one of she, he, they, it"):
        clean_pronouns("xe")
    with pytest.raises(CastError, match="'top' is not known; use one of front, side, back, close-up"):
        clean_view("top")
