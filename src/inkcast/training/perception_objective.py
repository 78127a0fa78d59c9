"""What training a seeing net comes to: no pictures on the way, one net in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from inkcast.toon.nets import save_net
from inkcast.training.objective import Source


@dataclass(frozen=True)
class NetObjective:
    """`module` holds the net that is exported as `net`, beside what only its training needs; `save` writes it."""

    module: Any
    source: Source
    save: Callable[[Any, Path], None] = save_net

    def picture(self) -> Tensor | None:
        return None

    def export(self, folder: Path) -> None:
        self.save(self.module.net, folder)
