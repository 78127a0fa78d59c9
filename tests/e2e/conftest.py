"""One studio and one browser for all tests of the web app; each test has its own page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.author import Author
from tests.e2e.serving import browsing, serving


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="session")
def studio(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a studio as its first visitor finds it: with the demo alone."""
    home = tmp_path_factory.mktemp("studio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKCAST_HOME", str(home))
        with serving(home) as address:
            with Author.at(browser, address) as first:
                first.enter()  # the demo comes with a first visit, not once programs have made projects
            yield address


@pytest.fixture
def author(browser: Any, studio: str) -> Iterator[Author]:
    """Somebody at a desk; asserts that their browser asked no other host than the studio's, and threw no error."""
    with Author.at(browser, studio) as somebody:
        yield somebody
        somebody.assert_local()


@pytest.fixture
def phone(browser: Any, studio: str) -> Iterator[Author]:
    """Somebody with a screen 390 px wide."""
    with Author.at(browser, studio, width=390, height=844) as somebody:
        yield somebody
        somebody.assert_local()
