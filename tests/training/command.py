"""Trainings begun as a user begins them."""

from __future__ import annotations

import pytest
from accelerate.state import AcceleratorState

from inkcast.cli import main


def command_line(*arguments: object) -> None:
    """`inkcast` with these arguments, in this process; it must end well."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert not end.value.code, arguments
    AcceleratorState._reset_state(reset_partial_state=True)


def flags(*values: str) -> list[str]:
    """`key=value` as a user changes a recipe."""
    return [word for value in values for word in ("--set", value)]
