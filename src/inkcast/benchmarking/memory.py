"""The most memory that drawing one panel takes, in a process of its own, whose peak is nobody else's.

`python -m inkcast.benchmarking.memory SCALE ENGINE PEOPLE DEVICE` draws and writes the bytes to standard output.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from inkcast.errors import EngineError

_STATUS = Path("/proc/self/status")


def peak_memory(scale: str, engine: str, people: int, device: str = "auto") -> int:
    """Bytes: resident on the CPU, allocated on a GPU. `engine` may be "plain".

    Raises:
        EngineError: the process failed, such as for want of memory.
    """
    command = [sys.executable, "-m", "inkcast.benchmarking.memory", scale, engine, str(people), device]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it was killed, which a lack of memory does"])[-1]
        raise EngineError(f"drawing on {scale} with {engine} to measure memory failed: {reason}; leave memory out")
    return int(done.stdout.split()[-1])


def main(scale: str, engine: str, people: int, device: str) -> int:
    """Loads, encodes, conditions and draws two steps; the peak since the process began."""
    import torch

    from inkcast.benchmarking.models import SCALES, model_of
    from inkcast.benchmarking.panels import PLAIN, condition, draw_panel, enrol, panel_of, plain_prompt, stand_in

    (known,) = (each for each in SCALES if each == scale)
    model = model_of(known, device)
    assert model is not None
    cast = tuple(stand_in(number) for number in range(people))
    if engine == PLAIN:
        draw_panel(model.base, plain_prompt(model.base, panel_of(cast)), None, 2)
    else:
        enrolled = enrol(model, engine, cast)
        with enrolled.engine.active():
            made = condition(enrolled, panel_of(cast))
            draw_panel(model.base, made.prompt, made.conditioning, 2)
    return torch.cuda.max_memory_allocated() if model.base.device.type == "cuda" else resident_peak()


def resident_peak() -> int:
    """Of this process, in bytes. On Linux getrusage would also tell what the parent had before this began."""
    if _STATUS.is_file():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])}\n")
