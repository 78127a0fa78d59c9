"""What a person can choose about pages is documented."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from inkcast.page.export import FORMATS
from inkcast.page.layout import LAYOUTS, PageOptions
from inkcast.page.options import SIZES

_DOC = (Path(__file__).parents[2] / "docs" / "pages.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*LAYOUTS, *FORMATS, *SIZES, *(field.name for field in fields(PageOptions))])
def test_it_is_documented(name: str) -> None:
    assert f"`{name}`" in _DOC
