"""Twins: our loader gives the vectors of sentence-transformers, for each architecture that is offered.

Tiny models with random weights stand for those that cannot be had where tests run, exported by our own exporter. Run by
`make test-models`.
"""

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lsp_server.engine.card import Card, card_text, check_files, file_digest, read_card
from lsp_server.engine.devices import CPU
from lsp_server.engine.encoder import OnnxEncoder, load_encoder
from lsp_server.engine.graph import Graph
from lsp_server.engine.reranker import Reranker as Judge
from lsp_server.engine.tokens import Tokenizer
from lsp_server.models.catalogue import Model, Reranker, load_catalogue
from lsp_server.models.hardware import look
from lsp_server.models.hub import DownloadError
from lsp_server.models.pull import wanted
from lsp_server.models.selftest import self_test

pytestmark = pytest.mark.torch
ARCHITECTURES = ("bert", "modernbert", "nomicbert", "jinabert", "qwen3", "gemma3", "embedding_gemma2")

if all(map(importlib.util.find_spec, ("torch", "transformers", "onnx", "sentence_transformers", "model2vec"))):
    import onnx
    import onnxruntime
    import torch
    import twins
    from model2vec import StaticModel
    from safetensors.torch import load_file
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from transformers import AutoModel, AutoTokenizer
    from workshop import TEXTS, TOLERANCE, Twins, WithMemory, WithPictures, change_card, nearness, put_graph, trace

    from lsp_server.models.quantise import dynamic, weights_only


@pytest.fixture(params=ARCHITECTURES)
def twin(request: pytest.FixtureRequest, all_twins: "Twins") -> tuple[Path, Path]:
    """A published model's folder, and ours in float32."""
    return all_twins.theirs(request.param), all_twins.ours(request.param)


def theirs(source: Path) -> "SentenceTransformer":
    return SentenceTransformer(str(source), device="cpu", trust_remote_code=True)


def test_vectors_are_those_of_sentence_transformers(twin: tuple[Path, Path]) -> None:
    source, folder = twin
    encoder, reference = load_encoder(folder), theirs(source)
    prompts = reference.prompts
    for encode, prompt in ((encoder.encode, "document"), (encoder.encode_query, "query")):
        ours = np.stack([encode(text) for text in TEXTS])
        prefix = prompts.get(prompt) or ""
        # One by one, and all together with padding: on the side that the model's own tokenizer pads.
        alone = np.stack([reference.encode(text, prompt=prefix, normalize_embeddings=True) for text in TEXTS])
        together = reference.encode(list(TEXTS), prompt=prefix, normalize_embeddings=True)
        assert nearness(ours, alone) < TOLERANCE
        assert nearness(ours, together) < TOLERANCE
    assert nearness(encoder.encode_batch(TEXTS), np.stack([encoder.encode(text) for text in TEXTS])) < TOLERANCE


def test_the_twin_is_no_constant(twin: tuple[Path, Path]) -> None:
    """Vectors that hardly differ would be near to anything: texts must be told apart, and order and end must count."""
    encoder = load_encoder(twin[1])
    one, other, turned = (encoder.encode(text) for text in ("read the file", "close a socket", "file the read"))
    assert one @ other < 0.99 and one @ turned < 0.9999
    long = "for each token: keep what is known " * 30
    assert np.array_equal(encoder.encode(long), encoder.encode(long + "and more"))


def test_eight_bits_are_near(twin: tuple[Path, Path], tmp_path: Path) -> None:
    folder = twin[1]
    exact = load_encoder(folder)
    wanted = np.stack([exact.encode(text) for text in TEXTS])
    for way, operator in ((dynamic, "MatMulInteger"), (weights_only, "MatMulNBits")):
        place = Path(shutil.copytree(folder, tmp_path / way.__name__))
        graph = way(onnx.load(folder / "model.onnx"))
        operators = [node.op_type for node in graph.graph.node]
        assert operators.count(operator) >= 8 and "MatMul" in operators  # attention's own products stay
        put_graph(place, graph)
        cosines = (np.stack([load_encoder(place).encode(text) for text in TEXTS]) * wanted).sum(axis=1)
        assert cosines.min() > 0.95, (way, cosines)
        assert [check.name for check in self_test(place).checks if not check.passed] == ["meaning"]  # random weights


# ---------------------------------------------------------------- the catalogue's rows
FAMILIES = {
    "minilm-l6": "bert",
    "bge-small-en": "bert",
    "granite-97m-r2": "modernbert",
    "granite-small-en-r2": "modernbert",
    "gte-modernbert": "modernbert",
    "coderankembed": "nomicbert",
    "jina-v2-code": "jinabert",
    "embeddinggemma-2": "embedding_gemma2",
    "embeddinggemma-300m": "gemma3",
    "qwen3-embedding-0.6b": "qwen3",
    "qwen3-embedding-4b": "qwen3",
    "nomic-embed-text-v1.5": "nomicbert",
    "voyage-4-nano": "qwen3",
    "harrier-270m": "gemma3",
    "f2llm-v2-160m": "qwen3",
    "multilingual-e5-small": "bert",
}


@pytest.mark.parametrize("model", load_catalogue().model, ids=lambda model: model.id)
def test_every_row_of_the_catalogue_loads_as_a_twin(model: Model, all_twins: "Twins", tmp_path: Path) -> None:
    """The recipe of each entry, over a graph of its architecture: the vectors are those that the recipe asks for."""
    if model.kind == "static":
        assert model.id not in FAMILIES  # test_tables_of_word_vectors
        return
    folder = all_twins.copy(FAMILIES[model.id], tmp_path)
    twin = read_card(folder)
    card = replace(
        model.card(twin.digests),
        dims=8 if model.truncations else twin.dims,
        full_dims=twin.dims if model.truncations else 0,
        truncations=(8,) if model.truncations else (),
        max_tokens=20,
        max_query_tokens=24,
        eos_token="<eos>" if model.eos_token else "",
        pooling=twin.pooling if "in-graph" in (twin.pooling, model.pooling) else model.pooling,
    )
    (folder / "model.toml").write_text(card_text(card, {"licence": model.licence}), encoding="utf-8")
    encoder, tokenizer = load_encoder(folder), Tokenizer(folder, card)
    graph = Graph(folder, card, 1, CPU)
    for text in TEXTS:
        for vector, row in (
            (encoder.encode(text), tokenizer.document(text)),
            (encoder.encode_query(text), tokenizer.query(text)),
        ):
            output = graph.run([row])[0][0]
            exact = {"mean": lambda rows: rows.mean(axis=0), "cls": lambda rows: rows[0], "last": lambda rows: rows[-1]}
            pooled = exact[card.pooling](output) if output.ndim == 2 else output
            if card.cut == "layer-norm":
                pooled = pooled - pooled.mean()
            cut = pooled[: card.dims]
            assert nearness(vector, cut / np.linalg.norm(cut)) < TOLERANCE
    assert len(tokenizer.document(TEXTS[3]).ids) == 20 and len(tokenizer.query(TEXTS[3]).ids) == 24
    plain = Tokenizer(folder, replace(card, query_prefix="", document_prefix=""))
    assert tokenizer.query("sort").ids == plain.query(card.query_prefix + "sort").ids
    assert (tokenizer.query("sort").ids == tokenizer.document("sort").ids) == (
        model.query_prefix == model.document_prefix
    )


# ---------------------------------------------------------------- what a graph may ask for
def test_a_decoder_with_a_memory_gets_an_empty_one(all_twins: "Twins", tmp_path: Path) -> None:
    """As in the hub's exports of Qwen3: position_ids and past_key_values, of which a lone text has none."""
    folder = all_twins.copy("qwen3", tmp_path)
    expected = [load_encoder(folder).encode(text) for text in TEXTS]
    trace(folder, WithMemory(all_twins.theirs("qwen3")).eval(), WithMemory.inputs(), ["last_hidden_state"])
    encoder = OnnxEncoder(folder)
    names = [node.name for node in onnxruntime.InferenceSession(str(folder / "model.onnx")).get_inputs()]
    assert "position_ids" in names and sum(name.startswith("past_key_values.") for name in names) == 2 * twins.LAYERS
    assert nearness(np.stack([encoder.encode(text) for text in TEXTS]), np.stack(expected)) < TOLERANCE
    assert nearness(encoder.encode_batch(TEXTS), np.stack(expected)) < TOLERANCE


def test_a_model_for_pictures_and_sounds_gets_none_of_them(all_twins: "Twins", tmp_path: Path) -> None:
    """As in the hub's export of EmbeddingGemma 2: features of pictures and sounds, pooled in the graph."""
    folder = all_twins.copy("embedding_gemma2", tmp_path)
    expected = [load_encoder(folder).encode(text) for text in TEXTS]
    model = WithPictures(all_twins.theirs("embedding_gemma2")).eval()
    trace(folder, model, WithPictures.inputs(), ["last_hidden_state", "sentence_embedding"])
    change_card(folder, 'pooling = "mean"', 'pooling = "in-graph"', 'output = "last_hidden_state"', "")
    encoder = OnnxEncoder(folder)
    assert nearness(np.stack([encoder.encode(text) for text in TEXTS]), np.stack(expected)) < TOLERANCE
    assert nearness(encoder.encode_batch(TEXTS), np.stack(expected)) < TOLERANCE


def test_an_end_token_that_the_tokenizer_leaves_out_is_appended(all_twins: "Twins", tmp_path: Path) -> None:
    folder = all_twins.copy("qwen3", tmp_path)
    expected = [load_encoder(folder).encode(text) for text in TEXTS]
    path = folder / "tokenizer.json"
    tokenizer, digest = json.loads(path.read_text(encoding="utf-8")), file_digest(path)
    tokenizer["post_processor"]["single"] = [{"Sequence": {"id": "A", "type_id": 0}}]
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    change_card(folder, digest, file_digest(path), "dims =", 'eos_token = "<eos>"\ndims =')
    encoder = OnnxEncoder(folder)
    assert nearness(np.stack([encoder.encode(text) for text in TEXTS]), np.stack(expected)) < 1e-6


def test_a_matryoshka_cut_is_that_of_sentence_transformers(all_twins: "Twins", tmp_path: Path) -> None:
    folder = all_twins.copy("gemma3", tmp_path)
    change_card(folder, "dims = 24", "dims = 8\nfull_dims = 24\ntruncations = [8]", "probe = [", "old_probe = [")
    encoder = load_encoder(folder)
    reference = SentenceTransformer(str(all_twins.theirs("gemma3")), device="cpu", truncate_dim=8)
    exact = reference.encode(list(TEXTS), prompt=reference.prompts["document"], normalize_embeddings=True)
    assert encoder.dim == 8
    assert nearness(np.stack([encoder.encode(text) for text in TEXTS]), exact) < TOLERANCE


# ---------------------------------------------------------------- models that compare
def test_scores_of_a_cross_encoder(all_twins: "Twins") -> None:
    source, folder = all_twins.theirs("cross_encoder"), all_twins.ours("cross_encoder")
    card = read_card(folder)
    check_files(folder, card)
    assert card.kind == "cross-encoder"
    tokenizer, graph = Tokenizer(folder, card), Graph(folder, card, 1, CPU)
    pairs = [("sort", text) for text in TEXTS] + [("turn text into a date", TEXTS[0])]
    rows = [tokenizer.pair(*pair) for pair in pairs]
    alone = np.concatenate([graph.run([row])[0][0] for row in rows])
    together = graph.run(rows)[0][:, 0]
    reference = CrossEncoder(str(source), device="cpu", max_length=card.max_tokens)
    exact = reference.predict(pairs, activation_fn=torch.nn.Identity())
    assert nearness(alone, exact) < TOLERANCE and nearness(together, exact) < TOLERANCE
    assert exact.std() > 0.001


def test_token_vectors_of_late_interaction(all_twins: "Twins") -> None:
    source, folder = all_twins.theirs("late_interaction"), all_twins.ours("late_interaction")
    card = read_card(folder)
    told = (card.kind, card.dims, card.max_tokens, card.max_query_tokens, card.query_prefix, card.document_prefix)
    assert told == ("late-interaction", 16, 40, 16, "[Q] ", "[D] ")
    tokenizer, graph = Tokenizer(folder, card), Graph(folder, card, 1, CPU)
    model, theirs_tokens = AutoModel.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    weight = load_file(source / "1_Dense" / "model.safetensors")["linear.weight"]
    for prefix, limit, ours in (("[Q] ", 16, tokenizer.query), ("[D] ", 40, tokenizer.document)):
        for text in TEXTS:
            text = prefix + text.strip()
            given = theirs_tokens(text, truncation=True, max_length=limit, padding=False, return_tensors="pt")
            with torch.inference_mode():
                hidden = model(**given).last_hidden_state @ weight.T
            exact = torch.nn.functional.normalize(hidden, dim=-1)[0].numpy()
            vectors = graph.run([ours(text.removeprefix(prefix))])[0][0]
            assert vectors.shape == exact.shape and nearness(vectors, exact) < TOLERANCE


JUDGES = {
    "lateon-code-edge": "late_modernbert",
    "lateon-code": "late_modernbert",
    "gte-reranker-modernbert": "cross_modernbert",
    "ms-marco-minilm-l6": "cross_encoder",
}
QUESTIONS = ("sort", "turn text into a date", "read (all) lines")


@pytest.mark.parametrize("entry", load_catalogue().reranker, ids=lambda entry: entry.id)
def test_every_reranker_of_the_catalogue_scores_as_a_twin_or_is_refused(
    entry: Reranker, all_twins: "Twins", tmp_path: Path
) -> None:
    """The recipe of each entry, over a graph of its architecture: the scores are those of the original."""
    if entry.kind == "generative":
        assert entry.id not in JUDGES
        with pytest.raises(DownloadError, match="our loader does not have it"):
            wanted(load_catalogue(), entry.id, look())
        return
    source, folder = all_twins.theirs(JUDGES[entry.id]), all_twins.copy(JUDGES[entry.id], tmp_path)
    twin = read_card(folder)
    card = replace(
        entry.card(twin.digests),
        dims=twin.dims,
        max_tokens=40,
        max_query_tokens=16 if entry.kind == "late-interaction" else 40,
        output=twin.output,
        expansion_token=twin.expansion_token if entry.expansion_token else "",
        skipped_tokens=twin.skipped_tokens,
    )
    assert (card.query_prefix, card.document_prefix, card.kind) == (twin.query_prefix, twin.document_prefix, twin.kind)
    (folder / "model.toml").write_text(card_text(card, {"licence": entry.licence}), encoding="utf-8")
    assert read_card(folder) == card
    reranker = Judge(folder)
    for question in QUESTIONS:
        ours = np.array(list(reranker.scores(question, TEXTS)))
        exact = late_scores(source, question) if card.kind == "late-interaction" else pair_scores(source, question)
        assert nearness(ours, exact) < TOLERANCE * (16 if card.kind == "late-interaction" else 1)  # sums of 16
        assert exact.std() > 0.001


def pair_scores(source: Path, question: str) -> NDArray[np.float32]:
    """What sentence-transformers gives; it cuts the longer of the two texts as ours is cut."""
    reference = CrossEncoder(str(source), device="cpu", max_length=40)
    return reference.predict([(question, text) for text in TEXTS], activation_fn=torch.nn.Identity())


def late_scores(source: Path, question: str) -> NDArray[np.float32]:
    """What transformers gives by the rules of ColBERT: a question filled up with tokens that no other token sees."""
    model, tokenizer = AutoModel.from_pretrained(source).eval(), AutoTokenizer.from_pretrained(source)
    weight = load_file(source / "1_Dense" / "model.safetensors")["linear.weight"]

    def vectors(ids: list[int], seen: int) -> "torch.Tensor":
        mask = torch.tensor([[1] * seen + [0] * (len(ids) - seen)])
        with torch.inference_mode():
            hidden = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state @ weight.T
        return torch.nn.functional.normalize(hidden, dim=-1)[0]

    ids = tokenizer(f"[Q] {question}", truncation=True, max_length=16, padding=False)["input_ids"]
    asked = vectors(ids + [tokenizer.mask_token_id] * (16 - len(ids)), len(ids))
    skipped = {tokenizer.convert_tokens_to_ids(word) for word in ("(", ")", ":")}
    scores = []
    for text in TEXTS:
        ids = tokenizer(f"[D] {text.strip()}", truncation=True, max_length=40, padding=False)["input_ids"]
        kept = [at for at, id in enumerate(ids) if id not in skipped]
        scores.append(float((asked @ vectors(ids, len(ids))[kept].T).max(dim=1).values.sum()))
    return np.array(scores)


def test_tables_of_word_vectors(tmp_path: Path) -> None:
    """As model2vec writes them, and gives their vectors."""
    tokenizer = twins.wordpiece().backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rows = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 24)).astype(np.float32)
    for name, more in (("plain", {}), ("weighted", {"weights": np.linspace(0.1, 2, len(rows))})):
        source = StaticModel(rows, tokenizer, normalize=True, **more)
        folder = tmp_path / name
        source.save_pretrained(folder)
        write_static_card(folder)
        encoder = load_encoder(folder)
        ours = np.stack([encoder.encode(text) for text in TEXTS])
        assert nearness(ours, source.encode(list(TEXTS), max_length=None)) < TOLERANCE


# ---------------------------------------------------------------- helpers
def write_static_card(folder: Path) -> None:
    names = ("model.safetensors", "tokenizer.json")
    card = Card(
        id="table",
        dims=24,
        pooling="mean",
        max_tokens=1024,
        max_query_tokens=1024,
        document_prefix="",
        query_prefix="",
        digests={name: file_digest(folder / name) for name in names},
        kind="static",
    )
    (folder / "model.toml").write_text(card_text(card, {}), encoding="utf-8")
