"""Small .onnx graphs of the kinds of nodes that face encoders have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def face_encoder(path: Path, side: int, dim: int, *, extra: str = "") -> None:
    """A residual block as ArcFace's: Conv, BatchNormalization, PRelu, Add, Flatten, Gemm; `extra` is one more node."""
    rng = np.random.default_rng(side)
    shapes = {"first": (4, 3, 3, 3), "second": (4, 2, 3, 3), "bias": (4,), "slope": (4, 1, 1)}
    shapes |= {"rows": (dim, 4 * (side // 2) ** 2)} | dict.fromkeys(("offset", "moved", "mean"), (dim,))
    arrays = {name: rng.normal(size=shape) / np.prod(shape[1:]) ** 0.5 for name, shape in shapes.items()}
    arrays |= {name: rng.uniform(0.5, 1.5, size=dim) for name in ("scale", "variance")}
    arrays |= {"half": np.array(0.5), "shift": np.array(0.25)}
    nodes = [
        helper.make_node("Sub", ["pixels", "shift"], ["centred"]),
        helper.make_node("Mul", ["centred", "half"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "first", "bias"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("PRelu", ["a", "slope"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], pads=[1, 1, 1, 1], group=2),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "rows", "offset"], ["f"], transB=1, alpha=0.5, beta=2.0),
        helper.make_node("BatchNormalization", ["f", "scale", "moved", "mean", "variance"], ["g"], epsilon=2e-5),
        helper.make_node(extra or "Identity", ["g"], ["vector"]),
    ]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["faces", 3, side, side])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["faces", dim])],
        [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in arrays.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)]), path)
