"""Shared fixtures. Tests use real classes at tiny sizes on one CPU thread."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

if TYPE_CHECKING:
    from inkcast.sdxl.backbone import Backbone


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random SDXL base on disk (diffusers folder with image_encoder/); treat as read-only."""
    from tests.tiny import tiny_base

    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def _loaded(tiny_base_folder: Path) -> Backbone:
    import torch

    from inkcast.sdxl.backbone import load_backbone

    return load_backbone(tiny_base_folder, device="cpu", dtype=torch.float32)


@pytest.fixture
def backbone(_loaded: Backbone) -> Backbone:
    """A copy of the tiny base, loaded on the CPU in float32: each test may change it."""
    # Tokenizers are shared: a deep copy of a fast tokenizer loses its decoder.
    return copy.deepcopy(_loaded, {id(tokenizer): tokenizer for tokenizer in _loaded.tokenizers})
