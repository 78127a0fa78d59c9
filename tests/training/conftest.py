"""A toy recipe, and a way to run it as another process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from tests.training import toy

from inkcast.training.recipe import Recipe

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _toy() -> Iterator[None]:
    """The toy among the objectives; afterwards accelerate forgets the run, which it holds for the process's life."""
    toy.register()
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def toy_recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe of 12 updates in a folder named `out`; keywords change it."""

    def make(out: str = "run", **changes: Any) -> Recipe:
        table: dict[str, Any] = {
            "name": "toy",
            "objective": "toy",
            "out": tmp_path / out,
            "device": "cpu",
            "steps": 12,
            "batch": 8,
            "log_every": 1,
            "sample_every": 0,
            "ema": 0.9,
            "optimizer": {"learning_rate": 0.01, "clip": 1.0},
            "schedule": {"warmup": 2},
            "checkpoints": {"every": 5, "minutes": 0},
            "loader": {"workers": 0},
        }
        return Recipe.model_validate(table | changes)

    return make


@pytest.fixture
def toy_process(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts `toy.py` on its own (or under torchrun with `processes`) with `key=value` settings."""
    recipe = tmp_path / "toy.toml"
    recipe.write_text(
        'name = "toy"\nobjective = "toy"\ndevice = "cpu"\nbatch = 8\nsample_every = 0\nloader.workers = 0\n'
    )

    def start(*settings: str, resume: bool = False, processes: int = 1) -> subprocess.Popen[str]:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] * (processes > 1)
        script = [str(ROOT / "tests" / "training" / "toy.py"), str(recipe), "resume" if resume else "start", *settings]
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, *launcher, *script],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.fixture(scope="session")
def toon_vae_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained autoencoder, 4x smaller, on disk."""
    from inkcast.toon.base import save_half, vae_from

    folder = tmp_path_factory.mktemp("vae")
    torch.manual_seed(0)
    vae = vae_from(size=32, channels=(8, 8, 16), layers=1, latent_channels=4, groups=4)
    vae.register_to_config(scaling_factor=0.7)
    save_half(vae, folder)
    return folder


@pytest.fixture
def toon_unet_recipe(toy_recipe: Callable[..., Recipe], toon_vae_folder: Path, tmp_path: Path) -> Callable[..., Recipe]:
    """Text-to-image at 32 px with 64 cached pictures; `parameters` change its own table."""

    def make(out: str = "unet", parameters: dict[str, Any] | None = None, **changes: Any) -> Recipe:
        text = {"hidden": 16, "intermediate": 16, "layers": 2, "heads": 2, "projection": 16}
        table: dict[str, Any] = {
            "vae": toon_vae_folder,
            "cache": tmp_path / "cache",
            "pictures": 64,
            "captions": 2,
            "size": 32,
            "merges": 50,
            "data_workers": 0,
            "show_steps": 2,
            "unet": {
                "channels": (8, 16, 16),
                "transformers": (1, 1, 1),
                "heads": (1, 2, 2),
                "groups": 4,
                "time_dim": 8,
            },
            "text": text,
            "text_2": text,
        }
        usual: dict[str, Any] = {"objective": "toon-unet", "parameters": table | (parameters or {}), "steps": 4}
        return toy_recipe(out, **(usual | changes))

    return make
