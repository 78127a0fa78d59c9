"""Engines against the plain base on a tiny random model: what is counted, and that it is told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from typer.testing import CliRunner

from inkcast.benchmarking import comparison, models
from inkcast.benchmarking.clock import Laps, Turn, against, take_turns
from inkcast.benchmarking.comparison import Comparison, Plan, compare
from inkcast.benchmarking.costs import Cost, measure_costs, operations
from inkcast.benchmarking.memory import peak_memory, resident_peak
from inkcast.benchmarking.models import ENGINES, Model, Widths, random_model
from inkcast.benchmarking.panels import stock
from inkcast.benchmarking.parts import Part, measure_learning, measure_reference_net
from inkcast.cli import app
from inkcast.cli.bench import verdict
from inkcast.engines.any_story.router import RouterSize
from inkcast.sdxl.layers import check_prepared
from inkcast.sdxl.resampler import ResamplerSize

INNER = ResamplerSize(channels=16, depth=1, heads=2, head_dim=8, queries=4, widening=2)
TINY = Widths(
    "tiny",
    "a tiny model",
    channels=(16, 32, 32),
    depths=(1, 1, 2),
    heads=(2, 2, 4),
    blocks=1,
    texts=(32, 32),
    text_layers=(2, 2),
    time=8,
    groups=8,
    vae=(8, 8, 8, 8),
    side=64,
    clip=32,
    subject=INNER,
    router=RouterSize(replace(INNER, queries=1, out_channels=24), heads=2, head_dim=8),
    character=INNER,
    rank=4,
)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.set_num_threads(1)
    return random_model(TINY)


@pytest.fixture(scope="module")
def costs(model: Model) -> dict[tuple[str, int], Cost]:
    found = measure_costs(model, rounds=1)
    check_prepared(model.base.unet)
    return {(one.engine, one.people): one for one in found}


def test_the_plain_base_is_the_measure(costs: dict[tuple[str, int], Cost]) -> None:
    plain = costs["plain", 0]
    assert (plain.time_ratio, plain.cpu_ratio, plain.panel_ratio, plain.flops_ratio) == (1, 1, 1, 1)
    assert plain.over is None
    assert len(costs) == 1 + 3 * len(ENGINES)


def test_calls_are_counted(costs: dict[tuple[str, int], Cost]) -> None:
    assert {one.unet_calls_per_step for one in costs.values()} == {1}
    for (engine, _), one in costs.items():
        assert one.reference_net_calls_per_character == (1 if engine == "any-story" else 0)


def test_what_engines_add_is_counted(costs: dict[tuple[str, int], Cost]) -> None:
    """Cached keys and values of the prompt make every engine's step start below the plain base's."""
    flops = {key: one.flops for key, one in costs.items()}
    assert flops["stable-identity", 1] == flops["stable-identity", 3] < flops["plain", 0]
    assert flops["story-maker", 1] < flops["story-maker", 2] < flops["story-maker", 3]
    assert flops["stable-identity", 1] < flops["any-story", 1] < flops["any-story", 2]
    for one in costs.values():
        assert one.flops_ratio == one.flops / flops["plain", 0]


def test_a_third_subject_costs_any_story_no_further_attention(costs: dict[tuple[str, int], Cost]) -> None:
    """Every pixel reads one subject: only the router's maps grow, by less than one subject's columns would."""
    flops = [costs["any-story", people].flops for people in (1, 2, 3)]
    columns = 0
    for pixels, channels, layers in ((16, 32, 4), (4, 32, 12)):  # reference columns: a quarter of the pixels
        columns += layers * 2 * 4 * pixels * (pixels // 4) * channels
    assert flops[2] - flops[1] < columns + 0.02 * costs["plain", 0].flops


def test_operations_are_those_of_the_formulas() -> None:
    x, w = torch.randn(3, 5), torch.randn(7, 5)
    q, k, v = torch.randn(2, 4, 6, 8), torch.randn(2, 4, 9, 8), torch.randn(2, 4, 9, 8)
    assert operations(Turn(lambda: F.linear(x, w))) == 2 * 3 * 5 * 7
    with torch.no_grad():
        assert operations(Turn(lambda: F.scaled_dot_product_attention(q, k, v))) == 2 * 2 * 2 * 4 * 6 * 9 * 8


def test_all_take_turns_after_warming_up() -> None:
    heard: list[str] = []
    turns = {name: Turn(lambda name=name: heard.append(name)) for name in "abc"}
    laps = take_turns(turns, 2)
    assert "".join(heard) == "abc" + "bca" + "cab"
    assert all(len(each.wall) == len(each.cpu) == 2 for each in laps.values())


def test_each_round_is_compared_with_itself() -> None:
    """The second round ran beside something heavy."""
    found = against(Laps([2.0, 20.0, 3.0], [1.0, 1.0, 1.0]), Laps([1.0, 10.0, 1.0], [2.0, 4.0, 2.0]))
    assert (found.wall, found.cpu) == (2.0, 0.5)


def test_reference_net_does_less_than_the_unet(model: Model) -> None:
    part = measure_reference_net(model, 1)
    assert part.flops_ratio is not None
    assert 0 < part.flops_ratio < 1
    assert part.over == pytest.approx(part.cpu_ratio - 0.86)


def test_learning_is_measured_and_leaves_the_base_as_it_was(model: Model) -> None:
    before = {name: tensor.clone() for name, tensor in model.base.unet.state_dict().items()}
    part = measure_learning(model, 1)
    assert part.seconds > 0
    assert part.wanted is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.base.unet.state_dict().items())
    check_prepared(model.base.unet)


def test_plain_means_diffusers_own_attention(model: Model) -> None:
    with stock(model.base):
        kinds = {type(processor).__name__ for processor in model.base.unet.attn_processors.values()}
    assert kinds == {"AttnProcessor2_0"}
    check_prepared(model.base.unet)


def test_the_peak_is_that_of_what_was_held() -> None:
    before = resident_peak()
    held = np.ones(96 * 2**20, dtype=np.uint8)
    assert resident_peak() >= before
    assert resident_peak() >= held.nbytes


@pytest.mark.slow
def test_memory_is_measured_in_a_process_of_its_own() -> None:
    assert 10**8 < peak_memory("toon", "plain", 1) < 4 * 10**9


@pytest.mark.skipif(torch.cuda.is_available(), reason="full size runs here")
def test_full_size_says_why_it_was_left_out() -> None:
    (found,) = compare(Plan(("full",)))
    assert "no GPU" in found.skipped
    assert found.costs == ()


def test_full_size_is_made_on_the_cpu_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "random_model", lambda widths: widths)
    found = models.model_of("full", "cpu")
    assert found == models.FULL_ON_CPU
    assert (found.device, found.dtype, found.side) == ("cpu", torch.bfloat16, 512)
    assert (found.channels, found.depths) == (models.FULL.channels, models.FULL.depths)


def test_the_command_tells_all_of_it(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "model_of", lambda scale, device: model)
    plan = comparison.Plan
    monkeypatch.setattr(comparison, "Plan", lambda *given, **more: plan(*given, **more, people=(1,)))
    done = CliRunner().invoke(app, ["bench", "--quick", "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["machine"]["dtype"] in ("float32", "bfloat16", "float16")
    assert told["comic"] == {}
    (found,) = told["models"]
    assert [one["engine"] for one in found["costs"]] == ["plain", *ENGINES]
    assert found["reference_net"]["wanted"] == 0.86
    assert found["learning"]["time_ratio"] > 0
    assert CliRunner().invoke(app, ["bench", "--on", "moon"]).exit_code == 2
    done = CliRunner().invoke(app, ["bench", "--quick", "--json", "--engine", "story-maker"])
    (found,) = json.loads(done.stdout)["models"]
    assert [one["engine"] for one in found["costs"]] == ["plain", "story-maker"]
    assert (found["reference_net"], found["learning"]) == (None, None)


def test_the_table_says_what_was_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict(Part(1.0, 1.0, 1.0, 0.9, wanted=0.86, over=0.04)) == "0.86: missed by 0.040"
    assert verdict(Part(1.0, 1.0, 1.0, 0.8, wanted=0.86, over=-0.06)) == "0.86: met"
    assert verdict(Part(1.0, 1.0, 1.0, 0.8)) == ""
    skipped = Comparison("full", "SDXL", skipped="no GPU here")
    monkeypatch.setattr(comparison, "compare", lambda plan, report: iter([skipped]))
    done = CliRunner().invoke(app, ["bench", "--on", "full"])
    assert "full: no GPU here" in done.stdout
