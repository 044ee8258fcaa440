"""Quantise: an ONNX graph of a transformer in float32 becomes one of 8 bits.

Takes and gives onnx.ModelProto. Two ways, whose reasons stand in models/minilm-l6/REPORT.md: `dynamic` multiplies 8-bit
activations with 8-bit weights, which is fastest on a CPU and does for encoders; `weights_only` keeps small weights and
calculates in float32, which decoders need. The rounding is shared with models/build.py, which writes the bundled model.
Needs the extra `export`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

LEAST_SIDE = 16  # of a matrix that is worth quantising: heads of one or two outputs stay float32
WORDS = 4096  # rows of a table that is taken for word embeddings, where the ids are not the graph's own input
BLOCK = 32  # weights that share a step when weights only are quantised


# ---------------------------------------------------------------- 8-bit numbers
def column_steps(weight: Array) -> NDArray[np.float64]:
    """One step per column of a weight [in, out], chosen so that integer products are right on every processor.

    x86 processors without VNNI multiply 8-bit activations (0..255) with weights in pairs of neighbouring rows and hold
    each pair's sum in 16 bits, which saturates: 2 * 255 * 127 > 32,767 (instruction VPMADDUBSW). The usual cure halves
    all weights (7 bits). It is enough that no two neighbours of one sign sum to more than 128, as 255 * 128 = 32,640:
    so a column's step is the usual one, unless its worst pair asks for more. Both ways of pairing rows are kept safe.
    """
    wide = weight.astype(np.float64)
    largest = np.abs(wide).max(axis=0)
    for half in (np.maximum(wide, 0), np.maximum(-wide, 0)):
        largest = np.maximum(largest, (half[:-1] + half[1:]).max(axis=0))  # 127 in all; rounding adds at most 1
    return np.where(largest > 0, largest, 1) / 127


def row_steps(table: Array) -> NDArray[np.float64]:
    """One step per row of a table that is looked up: [rows, 1]."""
    largest = np.abs(table.astype(np.float64)).max(axis=1, keepdims=True)
    return np.where(largest > 0, largest, 1) / 127


def rounded(weight: Array, steps: NDArray[np.float64]) -> NDArray[np.int8]:
    """Round to the nearest step; symmetric, so zero stays zero."""
    return np.clip(np.rint(weight / steps), -127, 127).astype(np.int8)


# ---------------------------------------------------------------- the graph
def dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantise products and word embeddings; activations get their step when the graph runs."""
    rewriting = _Rewriting(model)
    return rewriting.finish(node for old in model.graph.node for node in rewriting.replace(old, products=True))


def weights_only(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantise weights in blocks, and word embeddings; all arithmetic stays float32 (MatMulNBits of ONNX Runtime)."""
    logging.getLogger().addHandler(logging.NullHandler())  # the next import sets up logging where nobody has
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)
    rewriting = _Rewriting(model)
    rewritten = rewriting.finish(node for old in model.graph.node for node in rewriting.replace(old, products=False))
    config = DefaultWeightOnlyQuantConfig(bits=8, block_size=BLOCK, is_symmetric=True)
    quantiser = MatMulNBitsQuantizer(rewritten, algo_config=config)
    quantiser.process()
    quantised: onnx.ModelProto = quantiser.model.model
    return quantised


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove what an export leaves of this machine and its source: stack traces, paths, names of modules."""
    for item in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    model.graph.ClearField("value_info")
    model.producer_name, model.producer_version = "meaning-ls", ""
    return model


class _Rewriting:
    """One pass over a graph's nodes."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.constants = {held.name: held for held in model.graph.initializer}
        self.turned = {
            node.output[0]: node.input[0]
            for node in model.graph.node
            if node.op_type == "Transpose" and node.input[0] in self.constants
        }
        self.activations: dict[str, list[str]] = {}  # by source: integers, step, zero
        self.count = 0

    def replace(self, node: onnx.NodeProto, *, products: bool) -> Iterator[onnx.NodeProto]:
        """Give what stands in a node's place: itself, as a rule."""
        if node.op_type == "MatMul" and (weight := self._weight(node.input[1])) is not None:
            if products:
                yield from self._product(node, weight)
                return
            if node.input[1] in self.turned:  # the library only sees weights that lie there as they are used
                node.input[1] = self._hold(f"{node.output[0]}.weight", weight)
        elif node.op_type == "Gather" and self._is_words(node):
            yield from self._words(node)
            return
        yield node

    def finish(self, nodes: Iterator[onnx.NodeProto]) -> onnx.ModelProto:
        """Put the new nodes in the old ones' place, and leave out constants and turned weights nobody uses."""
        kept = list(nodes)
        used = {name for node in kept for name in node.input} | {output.name for output in self.model.graph.output}
        kept = [node for node in kept if node.op_type != "Transpose" or set(node.output) & used]
        used = {name for node in kept for name in node.input} | {output.name for output in self.model.graph.output}
        graph = onnx.GraphProto()
        graph.CopyFrom(self.model.graph)
        del graph.node[:], graph.initializer[:]
        graph.node.extend(kept)
        graph.initializer.extend(held for name, held in self.constants.items() if name in used)
        result = onnx.ModelProto()
        result.CopyFrom(self.model)
        result.graph.CopyFrom(graph)
        return result

    def _weight(self, name: str) -> Array | None:
        held = self.constants.get(self.turned.get(name, name))
        if held is None or len(held.dims) != 2 or min(held.dims) < LEAST_SIDE or held.data_type != TensorProto.FLOAT:
            return None
        weight = numpy_helper.to_array(held)
        return np.ascontiguousarray(weight.T if name in self.turned else weight)

    def _is_words(self, node: onnx.NodeProto) -> bool:
        held = self.constants.get(node.input[0])
        if held is None or len(held.dims) != 2 or held.data_type != TensorProto.FLOAT or held.dims[1] < LEAST_SIDE:
            return False
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
        return axis == 0 and (node.input[1] == "input_ids" or held.dims[0] >= WORDS)

    def _product(self, node: onnx.NodeProto, weight: Array) -> Iterator[onnx.NodeProto]:
        """Five nodes, a pattern that ONNX Runtime turns into one (DynamicQuantizeMatMul)."""
        source, output = node.input[0], node.output[0]
        if source not in self.activations:
            self.activations[source] = [f"{source}.{part}" for part in ("integers", "step", "zero")]
            yield self._node("DynamicQuantizeLinear", [source], self.activations[source])
        integers, step, zero = self.activations[source]
        steps = column_steps(weight)
        held = self._hold(f"{output}.weight", rounded(weight, steps))
        scales = self._hold(f"{output}.steps", steps.astype(np.float32))
        none = self._hold("zero of weights", np.int8(0))
        yield self._node("MatMulInteger", [integers, held, zero, none], [f"{output}.product"])
        yield self._node("Cast", [f"{output}.product"], [f"{output}.float"], to=TensorProto.FLOAT)
        yield self._node("Mul", [step, scales], [f"{output}.scale"])
        yield self._node("Mul", [f"{output}.float", f"{output}.scale"], [output])

    def _words(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        table = numpy_helper.to_array(self.constants[node.input[0]])
        steps, output = row_steps(table), node.output[0]
        held = self._hold(f"{output}.words", rounded(table, steps))
        scales = self._hold(f"{output}.steps", steps.astype(np.float32))
        yield self._node("Gather", [held, node.input[1]], [f"{output}.integers"])
        yield self._node("Gather", [scales, node.input[1]], [f"{output}.scale"])
        yield self._node("Cast", [f"{output}.integers"], [f"{output}.float"], to=TensorProto.FLOAT)
        yield self._node("Mul", [f"{output}.float", f"{output}.scale"], [output])

    def _hold(self, name: str, values: object) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def _node(self, operator: str, inputs: list[str], outputs: list[str], **attributes: int) -> onnx.NodeProto:
        self.count += 1
        return helper.make_node(operator, inputs, outputs, name=f"{operator} {self.count}", **attributes)
