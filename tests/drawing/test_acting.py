"""Where the embedded base lets people act, and what a drawn panel says of it: maps, chart and figures agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkcast.cast.character import Character, CharacterId
from inkcast.comic import draw_panels
from inkcast.drawing.choices import Drawing
from inkcast.drawing.easel import BaseEasel, open_easel
from inkcast.drawing.enrolling import enrol
from inkcast.drawing.masking import masked, read_masks
from inkcast.drawing.planning import plan_panels
from inkcast.drawing.routes import Painted
from inkcast.events import unheard
from inkcast.images import load_reference
from inkcast.page.layout import PageOptions, arrange
from inkcast.story.script import Panel, Presence, Script

PICTURES = Path(__file__).parents[2] / "examples" / "lantern"
ANN = Character(CharacterId("ann"), "Ann", (load_reference(PICTURES / "ann.png"),), "she", (), "a girl")
ROLF = Character(CharacterId("rolf"), "Rolf", (load_reference(PICTURES / "rolf.png"),), "he", (), "a bear")
VIOLET = (68, 1, 84)  # in the chart: nobody acts


@pytest.fixture(scope="module")
def easel() -> BaseEasel:
    drawing = Drawing(engine="any-story", base="toon", steps=4, device="cpu", dtype="float32", seed=5, save_routes=True)
    return open_easel(drawing, unheard)


def painted(easel: BaseEasel, ann: Presence) -> Painted:
    """Ann with Rolf in the park, as `draw_comic` draws it."""
    panel = Panel(description="Ann sits in the park with Rolf", characters=(ann, Presence(name="Rolf")))
    script = Script(panels=(panel,))
    plan = masked(plan_panels(script, arrange(script, PageOptions()), (ANN, ROLF), easel), read_masks(script))
    (drawn,) = draw_panels(easel, plan, enrol(easel, plan, (ANN, ROLF), unheard), unheard)
    return drawn


def test_nobody_acts_outside_of_the_author_s_box(easel: BaseEasel) -> None:
    drawn = painted(easel, Presence(name="Ann", box=(0.5, 0.0, 1.0, 1.0)))
    assert drawn.routes is not None
    middle, width = drawn.routes.shape[2] // 2, drawn.panel.picture.width
    assert not drawn.routes[0, :, :middle].any()
    assert drawn.routes[0, :, middle:].max() > 0.4
    np.testing.assert_allclose(drawn.routes.sum(0), 1, atol=1e-5)
    ann, rolf = drawn.panel.figures
    assert width // 2 - 3 <= ann.box[0] < ann.box[2] <= width  # a detector's edges are good to some pixels
    assert rolf.box[0] < width // 2
    assert drawn.chart is not None
    # Ann's block at the first step: 11 cross-attentions as 4 rows of 3 cells of 12 x 20 pixels, 1 apart.
    corners = [(21 * row, 13 * column) for row in range(4) for column in range(3)][:11]
    cells = [np.asarray(drawn.chart)[y : y + 20, x : x + 12] for y, x in corners]
    assert all((cell[:, :6] == VIOLET).all() for cell in cells)
    assert any((cell[:, 6:] != VIOLET).any() for cell in cells)


def test_nobody_acts_outside_of_the_author_s_mask(easel: BaseEasel, tmp_path: Path) -> None:
    """Anywhere but in the upper right quarter, where the pixels of every layer meet its edges."""
    mask = np.zeros((160, 96), dtype=np.uint8)
    mask[:, :48] = mask[80:] = 255
    Image.fromarray(mask).save(tmp_path / "ann.png")
    drawn = painted(easel, Presence(name="Ann", mask=str(tmp_path / "ann.png")))
    free = painted(easel, Presence(name="Ann"))
    assert drawn.routes is not None
    assert free.routes is not None
    outside = mask[::4, ::4] == 0
    assert free.routes[0][outside].max() > 0.4
    assert not drawn.routes[0][outside].any()
    assert drawn.routes[0][~outside].max() > 0.4
    np.testing.assert_allclose(drawn.routes.sum(0), 1, atol=1e-5)
