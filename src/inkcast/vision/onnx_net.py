"""A convolutional .onnx graph as a torch module that gradients pass through, such as ArcFace's in insightface's packs.

See docs/decisions/story-maker-id-loss.md for why neither a runtime nor a converter does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkcast.errors import BaseModelError, MissingExtraError
from inkcast.files import shown

Attributes = Mapping[str, Any]
Operation = Callable[..., Tensor]


class OnnxNet(nn.Module):
    """Frozen; one picture batch in, one tensor out. Its constants are buffers, so it moves between devices.

    Raises:
        BaseModelError: no .onnx graph, or one with an operation that networks of faces do not have.
        MissingExtraError: the package `onnx` is not installed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            import onnx
            from onnx import helper, numpy_helper
        except ImportError as error:
            raise MissingExtraError("onnx", "faces", "gradients through a face encoder") from error
        try:
            graph = onnx.load(path).graph
        except Exception as error:  # protobuf's own, which has many names
            raise BaseModelError(f"{shown(path)} is no .onnx file: {' '.join(str(error).split())[:100]}") from error
        self._names: dict[str, str] = {}
        for constant in graph.initializer:
            self._names[constant.name] = f"constant_{len(self._names)}"
            value = torch.from_numpy(numpy_helper.to_array(constant).copy())
            self.register_buffer(self._names[constant.name], value)
        self._nodes = [
            (
                _operation(node.op_type, path),
                tuple(node.input),
                node.output[0],
                {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute},
            )
            for node in graph.node
        ]
        self._input = next(given.name for given in graph.input if given.name not in self._names)
        self._output = graph.output[0].name

    def forward(self, pictures: Tensor) -> Tensor:
        values = {name: self.get_buffer(buffer) for name, buffer in self._names.items()}
        values[self._input] = pictures
        for operation, inputs, output, attributes in self._nodes:
            values[output] = operation(attributes, *(values[name] for name in inputs if name))
        return values[self._output]


def _operation(name: str, path: Path) -> Operation:
    if name not in _OPERATIONS:
        raise BaseModelError(
            f"{shown(path)} has the operation {name}: gradients pass through {', '.join(sorted(_OPERATIONS))} only"
        )
    return _OPERATIONS[name]


def _conv(at: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = at.get("pads", (0, 0, 0, 0))
    x = F.pad(x, (left, right, top, bottom))
    stride, dilation = at.get("strides", (1, 1)), at.get("dilations", (1, 1))
    return F.conv2d(x, weight, bias, stride=tuple(stride), dilation=tuple(dilation), groups=at.get("group", 1))


def _batch_norm(at: Attributes, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, shift, eps=at.get("epsilon", 1e-5))


def _gemm(at: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    product = (a.T if at.get("transA", 0) else a) @ (b.T if at.get("transB", 0) else b)
    product = at.get("alpha", 1.0) * product
    return product if c is None else product + at.get("beta", 1.0) * c


def _reshape(at: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.reshape([x.shape[place] if length == 0 else length for place, length in enumerate(shape.tolist())])


_OPERATIONS: dict[str, Operation] = {
    "Add": lambda at, a, b: a + b,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "Div": lambda at, a, b: a / b,
    "Dropout": lambda at, x, *_: x,
    "Flatten": lambda at, x: x.flatten(at.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda at, x: x.mean(dim=(2, 3), keepdim=True),
    "Identity": lambda at, x: x,
    "MatMul": lambda at, a, b: a @ b,
    "Mul": lambda at, a, b: a * b,
    "PRelu": lambda at, x, slope: x.clamp(min=0) + slope * x.clamp(max=0),
    "Relu": lambda at, x: x.relu(),
    "Reshape": _reshape,
    "Sub": lambda at, a, b: a - b,
}
