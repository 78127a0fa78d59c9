"""What engines draw while they train on stored data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.story_maker.engine import StoryMaker
from inkcast.sampling.sampler import DrawSettings
from inkcast.sdxl.backbone import Backbone
from inkcast.training.showing import shown_settings, stored_panels


class Letters:
    def decode(self, tokens: torch.Tensor, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return "".join(chr(token) for token in tokens.tolist())


class Stored:
    """Every other sample shows nobody; the rest the second of two subjects, or both."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        mask = torch.zeros(2, 6, 6)
        mask[:, 1:3, 1 : 1 + index] = 1.0
        return {
            "present": torch.tensor([index % 4 == 1, index % 2 == 1]),
            "references": torch.full((2, 3, 6, 6), 0.5) * torch.tensor([1.0, 2.0]).view(2, 1, 1, 1),
            "reference_masks": mask,
            "picture": torch.full((3, 8, 8), index / 10),
            "tokens": torch.tensor([ord(letter) for letter in f"no {index} "]),
        }


def test_the_first_samples_that_show_somebody_are_drawn() -> None:
    panels = stored_panels(Stored(), Letters(), 3)
    assert [panel.words for panel in panels] == ["no 1", "no 3", "no 5"]
    assert [len(panel.references) for panel in panels] == [2, 1, 2]
    assert [int(panel.target.mean()) for panel in panels] == [26, 76, 128]  # type: ignore[union-attr]
    first, second = panels[0].references
    assert np.asarray(first.image).mean() == 128
    assert np.asarray(second.image).mean() == np.asarray(panels[1].references[0].image).mean() == 255
    assert (np.asarray(panels[1].references[0].mask) > 0).sum() == 2 * 3


def test_data_that_show_nobody_are_not_looked_through_for_ever() -> None:
    class Nobody(Stored):
        def __getitem__(self, index: int) -> dict[str, Any]:
            assert index < 30
            return super().__getitem__(0)

    assert stored_panels(Nobody(), Letters(), 3) == ()


@pytest.mark.parametrize(("engine", "scheduler"), [(AnyStory, "euler-karras"), (StoryMaker, "unipc")])
def test_shown_pictures_are_drawn_as_the_engine_draws_by_itself(
    backbone: Backbone, engine: Any, scheduler: str
) -> None:
    size = (backbone.side, backbone.side)
    assert shown_settings(engine, backbone, 3) == DrawSettings(size, 25, 7.5, scheduler=scheduler, seed=3)
    said = shown_settings(engine, backbone, 0, steps=2, guidance=1.0)
    assert said == DrawSettings(size, 2, 1.0, scheduler=scheduler)
