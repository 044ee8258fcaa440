"""Check that 8-bit arithmetic is right on this processor: run it natively, or under an emulator of another processor.

    python models/check_processor.py                                  (needs onnx, onnxruntime, numpy)
    qemu-x86_64 -cpu Haswell python models/check_processor.py         (AVX2 without VNNI, where plain int8 goes wrong)

Takes every weight of models/minilm-l6/model.onnx, feeds ONNX Runtime the activations that are worst for it (255 where a
column is positive, and where it is negative) and compares the integers with numpy's. The same is done with the
weights stretched to the full 8 bits, to show whether the test can fail on this processor at all. Exits with 1 if a
shipped weight is wrong.
"""

import platform
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MODEL = Path(__file__).resolve().parent / "minilm-l6" / "model.onnx"
COLUMNS = 24  # columns of each weight that get their own worst activations
ROWS = (1, 3, 48)  # one row takes another kernel than several, and blocks of rows another than the rest

Bytes = NDArray[np.int8]


def weights(model: onnx.ModelProto) -> dict[str, Bytes]:
    """Give the 8-bit weights [in, out] that are multiplied."""
    used = {node.input[1] for node in model.graph.node if node.op_type == "MatMulInteger"}
    return {held.name: numpy_helper.to_array(held) for held in model.graph.initializer if held.name in used}


def full_range(weight: Bytes) -> Bytes:
    """Stretch every column to +-127, as 8-bit weights usually are."""
    largest = np.abs(weight.astype(np.int64)).max(axis=0)
    return np.rint(weight * (127 / np.maximum(largest, 1))).astype(np.int8)


def worst(weight: Bytes) -> NDArray[np.uint8]:
    """Activations [2 * COLUMNS, in] that push the sums of some columns as far up, and as far down, as they go."""
    columns = weight[:, :: max(1, weight.shape[1] // COLUMNS)][:, :COLUMNS].T
    return (np.concatenate([columns > 0, columns < 0]) * 255).astype(np.uint8)


def wrong(weight: Bytes) -> int:
    """Count the products of ONNX Runtime that are not the exact integers."""
    held = numpy_helper.from_array(np.ascontiguousarray(weight), "weight")
    zeros = [numpy_helper.from_array(np.zeros((), kind), name) for kind, name in ((np.uint8, "a0"), (np.int8, "b0"))]
    node = helper.make_node("MatMulInteger", ["a", "weight", "a0", "b0"], ["y"])
    ends = [("a", TensorProto.UINT8), ("y", TensorProto.INT32)]
    source, result = (helper.make_tensor_value_info(name, kind, [None, None]) for name, kind in ends)
    graph = helper.make_graph([node], "product", [source], [result], [held, *zeros])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    activations, count = worst(weight), 0
    for rows in ROWS:
        for start in range(0, len(activations), rows):
            some = activations[start : start + rows]
            exact = some.astype(np.int64) @ weight.astype(np.int64)
            count += int((session.run(["y"], {"a": some})[0] != exact).sum())
    return count


def main() -> None:
    """Print one line for the shipped weights and one for the same at full range."""
    shipped = weights(onnx.load(MODEL))
    total = sum(len(ROWS) * len(worst(weight)) * weight.shape[1] for weight in shipped.values())
    found = sum(wrong(weight) for weight in shipped.values())
    plain = sum(wrong(full_range(weight)) for weight in shipped.values())
    print(f"{platform.machine()}, onnxruntime {onnxruntime.__version__}, {len(shipped)} weights, {total} products:")
    print(f"  wrong with the shipped weights: {found}")
    print(f"  wrong with full 8-bit weights:  {plain}")
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
