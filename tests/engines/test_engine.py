from __future__ import annotations

import math

import pytest
import torch

from inkcast.cast.character import CharacterId
from inkcast.engines.engine import Conditioning, Member, PanelPrompt, Style, rows
from inkcast.errors import EngineError
from inkcast.sdxl.attention import AttentionMemory, KeyValue
from inkcast.sdxl.prompts import PromptEmbeds

PROMPT = PromptEmbeds(torch.zeros(1, 77, 4), torch.zeros(1, 77, 4), None, None)
ANN, BEN = CharacterId("ann"), CharacterId("ben")


def key_value(value: float, *shape: int) -> KeyValue:
    return KeyValue(torch.full(shape, float(value)), torch.full(shape, -float(value)))


def memory(value: float, **more: object) -> AttentionMemory:
    return AttentionMemory(
        text={"cross": key_value(value, 1, 2, 77, 4)},
        subjects={"cross": key_value(value + 10, 1, 3, 2, 5, 4)},
        reference={"self": key_value(value + 20, 1, 2, 2, 6, 4)},
        **more,  # type: ignore[arg-type]
    )


def test_rows_are_negative_then_positive_for_every_picture() -> None:
    both = rows(Conditioning(PROMPT, memory(1), memory(2)), 2, (8, 8))
    assert both.guided
    for kv, base in ((both.text["cross"], 0), (both.subjects["cross"], 10), (both.reference["self"], 20)):
        assert [float(row.mean()) for row in kv.key] == [base + 1, base + 1, base + 2, base + 2]
        assert [float(row.mean()) for row in kv.value] == [-base - 1, -base - 1, -base - 2, -base - 2]
    assert both.subject_scale == 1.0
    assert both.grid[16] == (4, 4)


def test_each_row_keeps_its_own_strength() -> None:
    negative, positive = memory(1, subject_scale=0.0, reference_bias=-1.0), memory(2, subject_scale=0.5)
    both = rows(Conditioning(PROMPT, negative, positive), 2, (8, 8))
    assert torch.equal(both.subject_scale, torch.tensor([0.0, 0.0, 0.5, 0.5]))
    assert torch.equal(both.reference_bias, torch.tensor([-1.0, -1.0, 0.0, 0.0]))


def test_each_subject_may_have_its_own_strength() -> None:
    positive = memory(2, reference_bias=torch.tensor([[0.0, -2.0]]))
    both = rows(Conditioning(PROMPT, memory(1, reference_bias=-1.0), positive), 2, (8, 8))
    assert torch.equal(both.reference_bias, torch.tensor([[-1.0, -1.0]] * 2 + [[0.0, -2.0]] * 2))


def test_what_only_the_positive_row_has_is_off_in_the_negative() -> None:
    negative = AttentionMemory(text={"cross": key_value(1, 1, 2, 77, 4)})
    both = rows(Conditioning(PROMPT, negative, memory(2)), 1, (8, 8))
    assert torch.equal(both.subject_scale, torch.tensor([0.0, 1.0]))
    assert torch.equal(both.reference_bias, torch.tensor([-math.inf, 0.0]))
    assert both.subjects["cross"].key.shape == (2, 3, 2, 5, 4)


def test_regions_serve_all_rows() -> None:
    regions = torch.zeros(1, 2, 8, 8)
    regions[:, 0, :4] = 1
    both = rows(Conditioning(PROMPT, memory(1), memory(2, regions=regions)), 2, (8, 8))
    assert both.region_maps[64].gates.shape == (4, 3, 64)
    assert torch.equal(both.region_maps[64].gates[0], both.region_maps[64].gates[3])


def test_rows_that_do_not_fit_each_other_are_refused() -> None:
    longer = AttentionMemory(text={"cross": key_value(1, 1, 2, 154, 4)})
    short = AttentionMemory(text={"cross": key_value(1, 1, 2, 77, 4)})
    with pytest.raises(EngineError, match=r"the guidance rows of cross do not fit each other: \(1, 2, 154, 4\)"):
        rows(Conditioning(PROMPT, longer, short), 1, (8, 8))
    with pytest.raises(EngineError, match="of other layers"):
        rows(Conditioning(PROMPT, AttentionMemory(), short), 1, (8, 8))


def test_wording_names_members_as_asked() -> None:
    panel = PanelPrompt(
        (ANN, " hugs ", BEN, " in the park"), (Member(ANN, "Ann", "a girl"), Member(BEN, "Ben", "a bear"))
    )
    style = Style("flat", "flat drawing")
    assert panel.wording(style) == "a girl hugs a bear in the park, flat drawing"
    assert panel.wording(Style(), {ANN: "zqa zqb"}) == "zqa zqb hugs a bear in the park"


def test_each_subject_keeps_its_own_reference_strength() -> None:
    each = torch.tensor([[0.0, -2.0]])
    both = rows(Conditioning(PROMPT, memory(1, reference_bias=-1.0), memory(2, reference_bias=each)), 2, (8, 8))
    assert torch.equal(both.reference_bias, torch.tensor([[-1.0, -1.0], [-1.0, -1.0], [0.0, -2.0], [0.0, -2.0]]))
    only = AttentionMemory(text={"cross": key_value(1, 1, 2, 77, 4)})
    both = rows(Conditioning(PROMPT, only, memory(2, reference_bias=each)), 1, (8, 8))
    assert torch.equal(both.reference_bias, torch.tensor([[-math.inf, -math.inf], [0.0, -2.0]]))
