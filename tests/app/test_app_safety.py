"""What a studio refuses: words, pictures, references without consent."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.app.studio_kit import add_character, portrait, studio_client

from inkcast.app.safety import check_picture, check_words
from inkcast.app.settings import PREFIX, StudioSettings, studio_settings
from inkcast.errors import PolicyError, UsageError
from inkcast.story.styles import load_styles

DOCUMENT = Path(__file__).parents[2] / "docs" / "accounts.md"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT of transformers that takes red for "nsfw" and blue for "safe": its one patch's colour decides."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    config = ViTConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        image_size=16,
        patch_size=16,
        id2label={0: "safe", 1: "NSFW"},
        label2id={"safe": 0, "NSFW": 1},
    )
    model = ViTForImageClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.weight.fill_(1)
            elif name.endswith((".value", ".v_proj", "attention.output.dense", ".o_proj")):
                module.weight.copy_(torch.eye(8))  # the class token reads what the patch says
        colours = model.vit.embeddings.patch_embeddings.projection.weight
        colours[0, 0] = colours[1, 2] = 1 / 64
        model.classifier.weight[0, 1] = model.classifier.weight[1, 0] = 4
    folder = tmp_path_factory.mktemp("classifier")
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "Porn.",
        "a NUDE  child here",
        "p\u200born",
        "a nude\nchild",
        "\uff50\uff4f\uff52\uff4e",
        "pórn",
        "so-called hentai!",
    ],
)
def test_refused_words_are_found_however_they_are_written(text: str) -> None:
    with pytest.raises(PolicyError, match=r"^the story holds .* which this studio's policy refuses"):
        check_words(text, "the story")


def test_innocent_words_pass() -> None:
    for text in ("", "Essex and Sussex", "a child in a red coat", "a popcorn seller", "ANN LEE walks", "the cornporn"):
        check_words(text)
    for style in load_styles().values():
        check_words(f"{style.name} {style.prompt}")


def test_a_studio_s_own_list_replaces_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = tmp_path / "words.txt"
    words.write_text("# ours\ndragon fire\n\n", encoding="utf-8")
    monkeypatch.setenv(f"{PREFIX}REFUSED_WORDS", str(words))
    check_words("porn")
    with pytest.raises(PolicyError, match="'dragon-fire'"):
        check_words("the dragon-fire spreads")
    monkeypatch.setenv(f"{PREFIX}REFUSED_WORDS", str(tmp_path / "gone.txt"))
    with pytest.raises(UsageError, match=r"REFUSED_WORDS names .*gone\.txt"):
        check_words("anything")


def test_words_and_consent_are_asked_for_over_http(tmp_path: Path) -> None:
    with studio_client(tmp_path) as client:
        refused = client.post("/api/v1/scripts/parse", json={"story": "A porn star.", "cast": []})
        assert (refused.status_code, refused.json()["type"]) == (422, "/api/v1/problems/refused")
        form = {"name": "Ann", "real_person": "true"}
        files = [("picture", ("ann.png", portrait(), "image/png"))]
        without = client.post("/api/v1/characters", data=form, files=files)
        assert (without.status_code, without.json()["type"]) == (422, "/api/v1/problems/refused")
        assert "consent" in without.json()["detail"]
        given = client.post("/api/v1/characters", data={**form, "consent": "signed 2026-05-01"}, files=files)
        assert given.json()["references"][0]["consent"] == "signed 2026-05-01"
        assert client.get("/api/v1/characters").json()["items"] == [given.json()]


def test_the_classifier_looks_at_references(tmp_path: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}CLASSIFIER", str(classifier))
    red, blue = Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue")
    check_picture(blue)
    with pytest.raises(PolicyError, match=r"^panel 3 was refused by this studio's image classifier \(\d+% sure\)"):
        check_picture(red, "panel 3")
    with studio_client(tmp_path) as client:
        assert client.get("/api/v1/health").json()["classifier"] is True
        add_character(client, "Bo", "blue")
        files = [("picture", ("ann.png", portrait(), "image/png")), ("picture", ("2.png", _solid(), "image/png"))]
        refused = client.post("/api/v1/characters", data={"name": "Ann"}, files=files)
        assert (refused.status_code, refused.json()["type"]) == (422, "/api/v1/problems/refused")
        assert [entry["name"] for entry in client.get("/api/v1/characters").json()["items"]] == ["Bo"]


def test_a_classifier_that_is_installed_is_used_unless_it_is_put_off(
    tmp_path: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INKCAST_HOME", str(tmp_path))
    red = Image.new("RGB", (32, 32), "red")
    check_picture(red)
    shutil.copytree(classifier, tmp_path / "classifier")
    with pytest.raises(PolicyError, match="was refused"):
        check_picture(red)
    monkeypatch.setenv(f"{PREFIX}CLASSIFIER", "off")
    check_picture(red)


def test_a_classifier_that_cannot_see_is_an_error_and_no_blindness(
    tmp_path: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.new("RGB", (32, 32), "blue")
    monkeypatch.setenv(f"{PREFIX}CLASSIFIER", str(classifier))
    monkeypatch.setenv(f"{PREFIX}CLASSIFIER_LABELS", "gore")
    with pytest.raises(UsageError, match="knows nsfw, safe, but none of gore"):
        check_picture(picture)
    monkeypatch.setenv(f"{PREFIX}CLASSIFIER", str(tmp_path))
    with pytest.raises(UsageError, match="cannot load the image classifier"):
        check_picture(picture)


def test_every_setting_is_documented_and_a_wrong_one_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    for name, field in StudioSettings.model_fields.items():
        assert f"| `{PREFIX}{name.upper()}` | {field.description} |" in page
    monkeypatch.setenv(f"{PREFIX}CLASSIFIER_THRESHOLD", "2")
    with pytest.raises(UsageError, match=r"^setting INKCAST_STUDIO_CLASSIFIER_THRESHOLD is '2': input should be"):
        studio_settings()


def _solid() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(stream, "PNG")
    return stream.getvalue()
