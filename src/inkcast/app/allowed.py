"""Which bases and language models a user may name: a base may be a path, a model spends somebody's key."""

from __future__ import annotations

from inkcast.app.context import Studio
from inkcast.app.settings import studio_settings
from inkcast.errors import PolicyError
from inkcast.files import shown


def check_base(name: str, studio: Studio) -> None:
    """Raises PolicyError where users of this studio may not draw on the base; the local user may on any."""
    bases = [base.strip() for base in studio_settings().bases.split(",")]
    if studio.auth and name and name not in bases:
        raise PolicyError(f"this studio does not draw on the base {shown(name)}: choose one of {', '.join(bases)}")


def check_llm(name: str, studio: Studio) -> None:
    """Raises PolicyError where users of this studio may not use the language model; the local user may any."""
    models = [model.strip() for model in studio_settings().llms.split(",") if model.strip()]
    if studio.auth and name not in models:
        known = f"choose one of {', '.join(models)}" if models else "leave it out"
        raise PolicyError(f"this studio does not read with the language model {shown(name)}: {known}")
