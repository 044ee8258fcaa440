"""The catalogue: what ships is whole and true to the bundled model; a wrong one is refused with its place."""

import tomllib
from pathlib import Path

import pytest

from lsp_server.engine.encoder import bundled_model, read_card
from lsp_server.models.catalogue import (
    BUNDLED,
    TIERS,
    Catalogue,
    CatalogueError,
    catalogue_path,
    load_catalogue,
    read_catalogue,
)

TEXT = catalogue_path().read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def test_all_models_that_were_looked_at_are_there(catalogue: Catalogue) -> None:
    assert len(catalogue.model) == 17 and len(catalogue.reranker) == 5
    assert sum(len(group.sources) for group in catalogue.excluded) >= 20
    assert all(group.why.endswith(".") and group.licence for group in catalogue.excluded)


def test_every_tier_has_a_model_that_may_be_used(catalogue: Catalogue) -> None:
    for tier in TIERS:
        assert [model for model in catalogue.model if tier in model.tiers and model.usable and not model.gated], tier


def test_the_bundled_model_is_the_one_that_ships(catalogue: Catalogue) -> None:
    model, card = catalogue.find(BUNDLED), read_card(bundled_model())
    files = model.get("bundled").files
    assert {file.path: file.sha256 for file in files} == card.digests
    assert {file.path: file.bytes for file in files} == {
        file.path: (bundled_model() / file.path).stat().st_size for file in files
    }
    told = (model.dims, model.pooling, model.document_tokens, model.query_tokens, model.licence, model.source)
    shipped = tomllib.loads((bundled_model() / "model.toml").read_text(encoding="utf-8"))
    assert told == (
        card.dims,
        card.pooling,
        card.max_tokens,
        card.max_query_tokens,
        shipped["licence"],
        shipped["source"],
    )


def test_half_precision_of_gemma_is_forbidden(catalogue: Catalogue) -> None:
    for id in ("embeddinggemma-2", "embeddinggemma-300m"):
        assert {variant.arithmetic for variant in catalogue.find(id).usable} & {"fp16"} == set()
        with pytest.raises(CatalogueError, match="must not be used as fp16: In half precision"):
            catalogue.find(id).get("fp16")
    assert "OpenVINOExecutionProvider" in catalogue.find("embeddinggemma-2").forbidden_providers


def test_models_are_found_by_id_source_and_repository(catalogue: Catalogue) -> None:
    names = ("granite-97m-r2", "ibm-granite/granite-embedding-97m-multilingual-r2", " Granite-97M-R2 ")
    assert {catalogue.find(name).id for name in names} == {"granite-97m-r2"}
    assert catalogue.find("onnx-community/embeddinggemma-2-ONNX").id == "embeddinggemma-2"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("granite-97m", "Did you mean granite-97m-r2"),
        ("qwen3-embeding-0.6b", "Did you mean qwen3-embedding-0.6b"),
        ("CodeRankEmbd", "Did you mean coderankembed"),
        ("codesage-small-v2", "codesage/codesage-small-v2 is not offered .Apache-2.0.. No ONNX file"),
        ("jinaai/jina-code-embeddings-1.5b", "Not for commercial use"),
        ("zzzz", "'meaning-ls models' lists them"),
        ("", "There is no model ''"),
    ],
)
def test_an_unknown_id_gets_the_nearest_or_the_reason(catalogue: Catalogue, name: str, expected: str) -> None:
    with pytest.raises(CatalogueError, match=expected):
        catalogue.find(name)


def test_an_unknown_variant_gets_those_there_are(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="no variant 'int4'; there are int8, q8, q4, fp16, fp32"):
        catalogue.find("gte-modernbert").get("int4")


def test_sizes_are_known_or_follow_the_rule(catalogue: Catalogue) -> None:
    q4 = catalogue.find("embeddinggemma-2").get("q4")
    assert q4.disk_mb == pytest.approx(174.5, abs=0.1) and q4.ram_mb == pytest.approx(269, abs=1)
    assert [file.name for file in q4.files] == ["model.onnx", "model_q4.onnx_data"]
    assert q4.batch_safe and not catalogue.find("gte-modernbert").get("int8").batch_safe
    granite = catalogue.find("granite-97m-r2")
    assert granite.place(granite.get("q8"))[0] == "onnx-community/granite-embedding-97m-multilingual-r2-ONNX"
    assert granite.place(granite.get("uint8")) == (granite.repo, "")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("schema = 1", "schema = 9", "has schema 9, this program reads 1"),
        ("schema = 1", "schema = ", "cannot be read"),
        ("checked = 2026-11-20", 'checked = "today"', "checked must be of type date"),
        ('id = "bge-small-en"', 'id = "minilm-l6"', "the id 'minilm-l6' appears twice"),
        ('id = "bge-small-en"', "", "the file, model lacks 'id'"),
        ("dims = 1024\n", 'dims = "1024"\n', "'qwen3-embedding-0.6b', dims must be of type int, not str"),
        ("dims = 1024\n", "dims = true\n", "dims must be of type int, not bool"),
        ("dims = 1024\n", "", "'qwen3-embedding-0.6b' lacks 'dims'"),
        ("dims = 1024\n", "dims = 1024\ndim = 3\n", "'qwen3-embedding-0.6b' has the unknown key 'dim'"),
        ("truncations = [512, 256, 128]", "truncations = [768]", "truncations must be less than dims"),
        ('pooling = "cls"', 'pooling = "median"', "bge-small-en: pooling must be one of mean, cls, last, in-graph"),
        ('arithmetic = "q4"', 'arithmetic = "q3"', "arithmetic must be one of"),
        ('sha256 = "4eae31d', 'sha256 = "xeae31d', "coderankembed: variant int8: the sha256 of onnx/model.onnx"),
        ('sha256 = "4eae31d', 'sha256 = "eae31d', "has not 64 hex digits"),
        ('path = "model_optimized.onnx"', 'path = "../model.onnx"', "is no path inside a repository"),
        ('path = "model_optimized.onnx"', 'path = "/etc/model.onnx"', "is no path inside a repository"),
        ("tiers = [7]", "tiers = [8]", "qwen3-embedding-4b: tiers go from 0 to 7"),
        ("working_params_m = 21.7", "working_params_m = 99", "working_params_m is no part of params_m"),
        ('identity = "V", recipe = "M"', 'recipe = "M"', "trust must be given for"),
        ('identity = "V", recipe = "M"', 'identity = "sure", recipe = "M"', "a trust mark is one or two of"),
        ('kind = "static"', 'kind = "graph"', "potion-code-16m-v2: a graph is an .onnx file"),
        ("token_dims = 48", "", "lateon-code-edge: late interaction needs token_dims"),
        ("bundled = true", "", "minilm-l6 must be there, bundled"),
        ("document_tokens = 128", "document_tokens = 900", "document_tokens must be from 1 to max_tokens"),
        ("schema = 1", "schema = 1\nmodels = 3", "the file has the unknown key 'models'"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_its_place(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TEXT
    path = tmp_path / "catalogue.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        read_catalogue(path)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        read_catalogue(tmp_path / "catalogue.toml")
