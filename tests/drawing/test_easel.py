"""The real easel over a tiny random base: the whole main job through diffusers, the same twice, or one clear error."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from tests import tiny
from tests.easel_fake import character
from tests.engines.any_story.parts import random_parts
from tests.engines.test_ip_adapter import SIZE

from inkcast.comic import draw_comic
from inkcast.drawing.choices import Drawing, Lora
from inkcast.drawing.easel import open_easel, usual
from inkcast.drawing.planning import plan_panels
from inkcast.drawing.posing import fitted
from inkcast.drawing.reading import as_script
from inkcast.drawing.record import read_record
from inkcast.engines.any_story.engine import AnyStory
from inkcast.engines.any_story.weights import save_encoders, save_router
from inkcast.engines.engine import PanelPrompt, Refusing
from inkcast.engines.ip_adapter.weights import fresh_adapter, save_adapter
from inkcast.engines.stable_identity.engine import StableIdentity
from inkcast.engines.story_maker.engine import StoryMaker
from inkcast.errors import BaseModelError, EngineError, InkcastError, PictureError, UsageError, WeightsError
from inkcast.events import Event, Note, Progress, unheard
from inkcast.images import Reference, open_picture
from inkcast.page.layout import PageOptions, arrange
from inkcast.redrawing import letter_again, redraw_panel
from inkcast.sdxl.backbone import Backbone, load_backbone
from inkcast.story.script import load_script
from inkcast.vision.pose import pose_map

STORY = "Ann sits in the park. Ann hugs Ben on the beach."
CAST = (character("Ann", "red", "she"), character("Ben", "blue", "he"))


@pytest.fixture(scope="module")
def drawing(tiny_base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Drawing:
    """Choices that draw with a tiny base holding ip-adapter weights."""
    folder = tmp_path_factory.mktemp("base") / "tiny"
    shutil.copytree(tiny_base_folder, folder)
    adapter = fresh_adapter(load_backbone(folder, device="cpu"), SIZE)
    save_adapter(adapter, folder / "engines" / "ip-adapter" / "adapter.safetensors")
    return Drawing(engine="ip-adapter", base=str(folder), steps=2, device="cpu", dtype="float32", seed=5)


def draw(out: Path, drawing: Drawing, **more: object) -> Path:
    return draw_comic(STORY, CAST, drawing, out, page=PageOptions(layout="classic-4", dpi=40), **more)  # type: ignore[arg-type]


def test_a_comic_is_drawn_the_same_twice_and_one_panel_again(drawing: Drawing, tmp_path: Path) -> None:
    first, second = draw(tmp_path / "first", drawing), draw(tmp_path / "second", drawing)
    files = ["comic.json", "comic.pdf", "page-01.png", "panel-01.png", "panel-02.png", "script.yaml"]
    before = {name: (first / name).read_bytes() for name in files}
    assert before == {name: (second / name).read_bytes() for name in files}

    record = read_record(first)
    assert (record.drawing.scheduler, record.drawing.dtype, record.drawing.device) == ("euler", "float32", "cpu")
    assert len(record.weights.base) == len(record.weights.engine) == 64

    redraw_panel(first, 2, seed=record.panels[1].seed)
    assert {name: (first / name).read_bytes() for name in files[3:5]} == {name: before[name] for name in files[3:5]}
    redraw_panel(first, 2)
    assert (first / "panel-01.png").read_bytes() == before["panel-01.png"]
    assert (first / "panel-02.png").read_bytes() != before["panel-02.png"]


def test_the_reference_matters(drawing: Drawing, tmp_path: Path) -> None:
    other = (character("Ann", "green", "she"), CAST[1])
    page = PageOptions(layout="classic-4", dpi=40)
    for name, cast in (("a", CAST), ("b", other)):
        draw_comic(STORY, cast, drawing, tmp_path / name, page=page)
    assert (tmp_path / "a" / "panel-01.png").read_bytes() != (tmp_path / "b" / "panel-01.png").read_bytes()


def test_stopping_works_within_a_step(drawing: Drawing, tmp_path: Path) -> None:
    heard: list[Event] = []

    def stop(event: Event) -> None:
        heard.append(event)
        if event == Progress("panels", 1, 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path / "out", drawing, report=stop)
    assert list(tmp_path.iterdir()) == []
    assert heard[-1] == Progress("panels", 1, 4)


def test_without_an_engine_the_first_that_the_base_has_is_taken_and_said(drawing: Drawing) -> None:
    notes: list[Event] = []
    easel = open_easel(replace(drawing, engine=""), notes.append)
    assert easel.drawing.engine == easel.engine.name == "ip-adapter"
    assert any(isinstance(note, Note) and "any-story" in note.text for note in notes)


def test_a_panel_takes_the_pose_of_its_script_and_keeps_it(drawing: Drawing, tmp_path: Path) -> None:
    """Drawn again from what the comic keeps, the posed panel is the same; without the pose it is another."""
    base = with_controlnet(tmp_path / "base", drawing)
    posed, chosen = tmp_path / "posed.png", replace(drawing, base=str(base))
    Image.fromarray(pose_map([np.array([[10 + n, 3 * n, 1.0] for n in range(18)])], (64, 40))).save(posed)
    text = "panels:\n- {description: Ann sits in the park, characters: [Ann], pose: posed.png}\n"
    (tmp_path / "script.yaml").write_text(text)
    page = PageOptions(layout="classic-4", dpi=40)
    for name, script in (("posed", text), ("free", text.replace(", pose: posed.png", ""))):
        (tmp_path / "script.yaml").write_text(script)
        draw_comic(load_script(tmp_path / "script.yaml"), CAST, chosen, tmp_path / name, page=page)
    posed.unlink()
    panels = {name: (tmp_path / name / "panel-01.png").read_bytes() for name in ("posed", "free")}
    assert panels["posed"] != panels["free"]
    out = tmp_path / "posed"
    redraw_panel(out, 1, seed=read_record(out).panels[0].seed)
    assert (out / "panel-01.png").read_bytes() == panels["posed"]


def test_a_photograph_to_pose_after_needs_something_that_reads_it(drawing: Drawing, tmp_path: Path) -> None:
    chosen = replace(drawing, base=str(with_controlnet(tmp_path / "base", drawing)), poses=(tmp_path / "photo.png",))
    Image.new("RGB", (64, 64), "red").save(tmp_path / "photo.png")
    with pytest.raises(PictureError, match=r"^panel 1: .*photo.png.*people/ and pose/.*pose map"):
        draw(tmp_path / "out", chosen)


def test_a_pose_needs_a_controlnet_before_anything_is_drawn(drawing: Drawing, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "pose.png")
    heard: list[Event] = []
    with pytest.raises(BaseModelError, match="controlnet"):
        draw(tmp_path / "out", replace(drawing, poses=(tmp_path / "pose.png",)), report=heard.append)
    assert not any(isinstance(event, Progress) for event in heard)


def test_a_pose_keeps_its_proportions() -> None:
    wide = Image.new("RGB", (40, 20), "red")
    canvas = np.asarray(fitted(wide, (60, 60)))
    assert (canvas[15:45] == (255, 0, 0)).all()
    assert not canvas[:15].any()
    assert not canvas[45:].any()


def test_a_lora_acts_and_is_taken_again_when_a_panel_is_drawn_again(drawing: Drawing, tmp_path: Path) -> None:
    torch.manual_seed(3)
    base = load_backbone(drawing.base, device="cpu")
    base.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    state = get_peft_model_state_dict(base.unet)
    StableDiffusionXLPipeline.save_lora_weights(tmp_path, state, weight_name="mine.safetensors")
    chosen = replace(drawing, loras=(Lora(tmp_path / "mine.safetensors", 0.7),))
    out = draw(tmp_path / "out", chosen)
    plain = draw(tmp_path / "plain", drawing)
    before = (out / "panel-02.png").read_bytes()
    assert before != (plain / "panel-02.png").read_bytes()
    record = read_record(out)
    assert [(Path(one.file).name, one.scale) for one in record.drawing.loras] == [("mine.safetensors", 0.7)]
    redraw_panel(out, 2, seed=record.panels[1].seed)
    assert (out / "panel-02.png").read_bytes() == before
    (tmp_path / "mine.safetensors").unlink()
    with pytest.raises(WeightsError, match="no LoRA at"):
        redraw_panel(out, 2)


def with_controlnet(folder: Path, drawing: Drawing) -> Path:
    """A copy of the base that also holds a pose ControlNet which does something."""
    shutil.copytree(drawing.base, folder)
    net = tiny.controlnet(load_backbone(folder, device="cpu").unet)
    with torch.no_grad():
        for layer in (net.controlnet_mid_block, *net.controlnet_down_blocks, net.controlnet_cond_embedding.conv_out):
            layer.weight.add_(torch.randn_like(layer.weight) * 0.3)  # zero before training
    net.save_pretrained(folder / "controlnet")
    return folder


def with_any_story(folder: Path, drawing: Drawing) -> Drawing:
    """The choices over a copy of their base that also holds AnyStory's parts."""
    shutil.copytree(drawing.base, folder)
    parts = random_parts(load_backbone(folder, device="cpu"))
    save_encoders(parts, folder / "engines" / "any-story")
    assert parts.router is not None
    save_router(parts.router, folder / "engines" / "any-story")
    return replace(drawing, engine="any-story", base=str(folder))


def test_any_story_draws_its_own_way_and_saves_every_layer_s_routes(drawing: Drawing, tmp_path: Path) -> None:
    chosen = replace(with_any_story(tmp_path / "base", drawing), save_routes=True)
    story = STORY + " Rain falls in the street."
    page = PageOptions(layout="classic-4", dpi=40)
    out = draw_comic(story, CAST, chosen, tmp_path / "out", page=page)
    record = read_record(out)
    assert (record.drawing.scheduler, record.drawing.guidance) == ("euler-karras", 7.5)
    assert sorted(path.name for path in out.glob("routes-*.png")) == [
        "routes-01-layers.png", "routes-01.png", "routes-02-layers.png", "routes-02.png",
    ]  # fmt: skip  # nobody is in the third panel
    layers = [open_picture(out / f"routes-{number:02}-layers.png").size for number in (1, 2)]
    # Two steps side by side, a block per character below one another: 11 cross-attentions as 4 rows of 3 cells, 20 x 16
    # pixels in the wide panel and 12 x 20 in the tall one, 1 apart; 8 between blocks.
    assert layers == [(2 * 62 + 8, 67), (2 * 38 + 8, 2 * 83 + 8)]


def test_every_layer_s_routes_are_saved_at_chosen_steps(drawing: Drawing, tmp_path: Path) -> None:
    chosen = replace(with_any_story(tmp_path / "base", drawing), steps=6, save_routes=True)
    page = PageOptions(layout="classic-4", dpi=40)

    def layers(out: str, *steps: int) -> np.ndarray:
        folder = draw_comic(STORY, CAST, replace(chosen, routes_at=steps), tmp_path / out, page=page)
        return np.asarray(open_picture(folder / "routes-01-layers.png"))

    whole, some = layers("five"), layers("some", 2, 6)
    columns = [whole[:, start : start + 62] for start in range(0, whole.shape[1], 70)]  # of steps 1, 2, 3, 5, 6
    assert len(columns) == 5
    assert np.array_equal(some[:, :62], columns[1])
    assert np.array_equal(some[:, 70:], columns[4])
    assert not np.array_equal(columns[1], columns[4])
    redraw_panel(tmp_path / "some", 1, seed=read_record(tmp_path / "some").panels[0].seed)
    assert np.array_equal(np.asarray(open_picture(tmp_path / "some" / "routes-01-layers.png")), some)
    with pytest.raises(UsageError, match="at step 7: choose from 1 to 6"):
        open_easel(replace(chosen, routes_at=(7,)), unheard)


def test_maps_outlive_another_lettering_and_a_panel_drawn_again(drawing: Drawing, tmp_path: Path) -> None:
    chosen = replace(with_any_story(tmp_path / "base", drawing), save_routes=True)
    out = draw_comic(STORY, CAST, chosen, tmp_path / "out", page=PageOptions(layout="classic-4", dpi=40))

    def maps() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in out.glob("routes-*.png")}

    before = maps()
    assert len(before) == 4
    letter_again(out, None, {"dpi": 50})
    assert maps() == before
    redraw_panel(out, 1, seed=77)
    after = maps()
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {"routes-01.png", "routes-01-layers.png"}


def test_a_panel_without_its_router_has_no_map_and_is_told(drawing: Drawing, tmp_path: Path) -> None:
    chosen, heard = replace(with_any_story(tmp_path / "base", drawing), save_routes=True), list[Event]()
    script, _ = as_script(STORY, CAST, "any-story")
    free = script.panels[0].model_copy(update={"engine": {"router": "off"}})
    script = script.model_copy(update={"panels": (free, *script.panels[1:])})
    page = PageOptions(layout="classic-4", dpi=40)
    out = draw_comic(script, CAST, chosen, tmp_path / "out", page=page, report=heard.append)
    assert sorted(file.name for file in out.glob("routes-*.png")) == ["routes-02-layers.png", "routes-02.png"]
    assert "panel 1 was drawn without the router" in " ".join(one.text for one in heard if isinstance(one, Note))


def test_what_no_panel_can_have_is_refused_before_any_is_drawn(drawing: Drawing, tmp_path: Path) -> None:
    class Crowded:
        name = "story-maker"

        def refuse(self, panel: PanelPrompt) -> None:
            if len(panel.members) > 1:
                raise EngineError("room for 1")

    easel = open_easel(drawing, unheard)
    script, _ = as_script(STORY, CAST, "ip-adapter")
    plan = plan_panels(script, arrange(script, PageOptions(layout="classic-4")), CAST, easel)
    easel.check(plan)
    easel = replace(easel, engine=Crowded())  # type: ignore[arg-type]
    with pytest.raises(EngineError, match=r"^panel 2: room for 1$"):
        easel.check(plan)
    assert all(isinstance(engine, Refusing) for engine in (AnyStory, StoryMaker))
    with pytest.raises(UsageError, match="routing maps are saved into a folder"):
        draw(tmp_path / "out.pdf", replace(drawing, save_routes=True), easel=lambda *_: pytest.fail("loads a base"))


def test_what_is_asked_for_wins_over_the_engine_s_own(drawing: Drawing, tmp_path: Path) -> None:
    any_story = with_any_story(tmp_path / "base", drawing)
    asked = open_easel(replace(any_story, scheduler="ddim", guidance=0.0), unheard).drawing
    assert (asked.scheduler, asked.guidance) == ("ddim", 0.0)


def test_an_engine_that_routes_is_not_rounded_where_others_are(
    drawing: Drawing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    auto = replace(with_any_story(tmp_path / "base", drawing), dtype="auto", device="cpu")
    for engine, dtype, wanted in (
        ("any-story", "auto", "float32"),
        ("", "auto", "float32"),
        ("any-story", "bfloat16", "bfloat16"),
        ("ip-adapter", "auto", "bfloat16"),
    ):
        assert open_easel(replace(auto, engine=engine, dtype=dtype), unheard).drawing.dtype == wanted, (engine, dtype)


def test_the_toon_base_keeps_its_own_values(backbone: Backbone) -> None:
    for engine, toon, wanted in (
        (StoryMaker, True, ("euler", 7.0)),
        (StoryMaker, False, ("unipc", 7.5)),
        (StableIdentity, True, ("euler", 4.0)),
        (StableIdentity, False, ("dpm++", 8.5)),
    ):
        found = usual(engine, replace(backbone, toon=toon))  # type: ignore[arg-type]
        assert (found.scheduler, found.guidance) == wanted


def test_the_engine_s_own_number_of_steps_is_taken_where_none_is_given(
    drawing: Drawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkcast.engines.ip_adapter.engine.IpAdapter.steps", 7, raising=False)
    assert open_easel(replace(drawing, steps=0), unheard).drawing.steps == 7
    assert open_easel(replace(drawing, steps=3), unheard).drawing.steps == 3


def test_the_author_hears_what_was_done_about_a_reference(drawing: Drawing, tmp_path: Path) -> None:
    busy = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    ann, ben = (replace(one, references=(Reference(Image.fromarray(busy), "busy"),)) for one in CAST)
    ben = replace(ben, references=(Reference(ben.references[0].image.convert("RGBA"), "alpha"),))
    heard: list[Event] = []
    page = PageOptions(layout="classic-4", dpi=40)
    draw_comic(STORY, (ann, ben), drawing, tmp_path / "out", page=page, report=heard.append)
    (told,) = [one.text for one in heard if isinstance(one, Note) and "background" in one.text]
    assert "Ann" in told


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"engine": "magic"}, EngineError, "magic"),
        ({"engine": "any-story"}, EngineError, "any-story"),
        ({"scheduler": "magic"}, EngineError, "magic"),
        ({"dtype": "int4"}, InkcastError, "int4"),
        ({"device": "abacus"}, BaseModelError, "abacus"),
        ({"base": "/nowhere"}, BaseModelError, "/nowhere"),
        ({"low_vram": True}, BaseModelError, "--low-vram"),
        ({"poses": (Path("pose.png"),)}, PictureError, "pose.png"),
        ({"loras": (Lora(Path("mine.safetensors")),)}, WeightsError, "no LoRA at"),
        ({"save_routes": True}, EngineError, "--save-routes"),
    ],
)
def test_what_cannot_be_had_is_one_clear_error(
    drawing: Drawing, tmp_path: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        draw(tmp_path / "out", replace(drawing, **change), report=unheard)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
