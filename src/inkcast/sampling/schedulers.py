"""Schedulers by name, made from the base's own noise schedule and prediction type."""

from __future__ import annotations

from typing import Any

from inkcast.errors import EngineError

_SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("EulerDiscreteScheduler", {"use_karras_sigmas": False}),
    # of all spacings this one alone lets Karras' sigmas span the base's noise levels whole, as the other two here do
    "euler-karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True, "timestep_spacing": "linspace"}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {"use_karras_sigmas": False}),
    "unipc-karras": ("UniPCMultistepScheduler", {"use_karras_sigmas": True}),
    "dpm++": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": False, "algorithm_type": "dpmsolver++"}),
    "dpm++-karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True, "algorithm_type": "dpmsolver++"}),
    "ddim": ("DDIMScheduler", {}),
}
SCHEDULERS = tuple(_SCHEDULERS)


def make_scheduler(name: str, like: Any) -> Any:
    """A fresh scheduler configured as `like`. Raises `EngineError` listing the known names."""
    import diffusers

    if name not in _SCHEDULERS:
        raise EngineError(f"unknown scheduler {name!r}: use one of {', '.join(SCHEDULERS)}")
    kind, changes = _SCHEDULERS[name]
    return getattr(diffusers, kind).from_config(like.config, **changes)
