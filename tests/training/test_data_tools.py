"""The models behind a build: real classes with random weights, at tiny sizes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from inkcast.errors import BaseModelError, UsageError
from inkcast.training.data.captioner import CHAT, PAD, Qwen2VLCaptioner
from inkcast.training.data.tools import ToolChoice
from inkcast.vision.people import Mask2FormerPeople, ToonPeople

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", PAD, "<|video_pad|>")


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2-VL with a byte-level tokenizer, as its files lie on the hub."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessorPil,
    )

    folder = tmp_path_factory.mktemp("qwen")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, additional_special_tokens=list(SPECIAL))
    fast.save_pretrained(folder)
    ids = dict(zip(SPECIAL, fast.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(fast),
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4},
        },
        vision_config={"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 1},
        image_token_id=ids[PAD],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    torch.manual_seed(0)
    Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
    Qwen2VLImageProcessorPil().save_pretrained(folder)
    return folder


def test_qwen2_vl_sees_the_picture_and_says_one_line(qwen: Path) -> None:
    captioner = Qwen2VLCaptioner(str(qwen), tokens=4, pixels=56 * 56)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    said = captioner.caption(picture, "girl")
    assert said == " ".join(said.split()) == captioner.caption(picture, "girl")
    model, tokenizer, _ = captioner.parts
    pixels, grid = captioner.seen(picture)
    patches = int(grid.prod()) // 4
    prompt = captioner.prompt("girl", patches)
    question = f"{captioner.question} Call the subject a girl."
    assert tokenizer.decode(prompt[0]) == CHAT.format(picture=PAD * patches, question=question)
    assert int((prompt == model.config.image_token_id).sum()) == patches  # one token for each, none split up

    def logits(seen: torch.Tensor) -> torch.Tensor:
        types = (prompt == model.config.image_token_id).int()
        return model(input_ids=prompt, mm_token_type_ids=types, pixel_values=seen, image_grid_thw=grid).logits[0, -1]

    assert not torch.allclose(logits(pixels), logits(-pixels))


def test_a_captioner_that_is_none_is_one_line(tmp_path: Path, qwen: Path) -> None:
    with pytest.raises(BaseModelError, match="cannot load the captioner"):
        Qwen2VLCaptioner(str(tmp_path)).caption(np.zeros((32, 32, 3), np.uint8))
    for path in qwen.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(table | {"image_token_id": 3}))
    with pytest.raises(BaseModelError, match="no Qwen2-VL"):
        Qwen2VLCaptioner(str(tmp_path)).caption(np.zeros((32, 32, 3), np.uint8))


def test_mask2former_s_people_do_not_overlap(tmp_path: Path) -> None:
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    swin = SwinConfig(
        image_size=32, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = Mask2FormerConfig(
        backbone_config=swin, hidden_dim=32, mask_feature_size=32, feature_size=32, encoder_layers=1, decoder_layers=2,
        num_attention_heads=2, num_queries=5, encoder_feedforward_dim=32, dim_feedforward=32,
        id2label={0: "person", 1: "cat"}, label2id={"person": 0, "cat": 1},
    )  # fmt: skip
    torch.manual_seed(0)
    Mask2FormerForUniversalSegmentation(config).save_pretrained(tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    found = Mask2FormerPeople(str(tmp_path), side=32, threshold=0.0).find(picture)
    assert found
    assert np.sum([one.mask for one in found], axis=0).max() == 1
    assert {one.label for one in found} == {"person"}
    assert all(one.mask.shape == (40, 60) for one in found)
    assert not Mask2FormerPeople(str(tmp_path), side=32, threshold=1.1).find(picture)
    with pytest.raises(BaseModelError, match="does not know bicycle"):
        Mask2FormerPeople(str(tmp_path), labels=("bicycle",)).find(picture)


def test_a_drawn_foreground_is_shared_out_among_the_boxes() -> None:
    from inkcast.vision.detector import Found, ToonDetector

    class Seen(ToonDetector):
        def find(self, pictures: np.ndarray, threshold: float = 0.3) -> list[tuple[Found, ...]]:
            return [(Found("character", (30.0, 0, 60, 40), 0.9), Found("thing", (0.0, 0, 32, 40), 0.8))]

        def foreground(self, pictures: np.ndarray) -> np.ndarray:
            mask = np.ones(pictures.shape[:3], bool)
            mask[:, :10] = False
            return mask

    left, right = ToonPeople(Seen(Path())).find(np.zeros((40, 80, 3), np.uint8))
    assert (left.label, right.label) == ("thing", "character")
    assert not (left.mask & right.mask).any()
    assert left.mask[20, 5]
    assert right.mask[20, 50]
    assert not (left.mask | right.mask)[:, 70].any()
    assert not (left.mask | right.mask)[:10].any()


def test_unknown_tools_are_one_line() -> None:
    assert ToolChoice().load().segmenter is None
    with pytest.raises(UsageError, match="unknown segmenter 'sam'"):
        ToolChoice(segmenter="sam").load()
