"""Twins: models of the real architectures with random weights, as folders that transformers writes.

Each is tiny (two to four layers, 32 wide) and whole: weights, a tokenizer trained on our own source, what
sentence-transformers says of pooling, prefixes and limits. Needs the extra `test-models`.
"""

import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS = 600  # of a vocabulary
WIDTH, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 4, 64, 128
LIMIT = 48  # tokens that sentence-transformers is told to read
SOURCE = Path(__file__).parents[2] / "lsp_server" / "engine"
SIZES = {
    "vocab_size": WORDS,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "max_position_embeddings": POSITIONS,
}
LATE = {"query_prefix": "[Q] ", "document_prefix": "[D] ", "query_length": 16, "document_length": 40}
GEMMA = SIZES | {"num_key_value_heads": 2, "head_dim": 8, "num_hidden_layers": 3, "pad_token_id": 0, "bos_token_id": 1}


# ---------------------------------------------------------------- tokenizers
def wordpiece(**more: object) -> transformers.PreTrainedTokenizerFast:
    """As of BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", "[Q] ", "[D] "]
    tokenizer.train(
        [*map(str, SOURCE.glob("*.py"))], trainers.WordPieceTrainer(vocab_size=WORDS, special_tokens=special)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.decoder = decoders.WordPiece()
    names = {"pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]", "unk": "[UNK]", "mask": "[MASK]"}
    return wrapped(tokenizer, names, "right", **more)


def bytes_pairs(
    template: str, side: str, extra: tuple[str, ...] = (), **more: object
) -> transformers.PreTrainedTokenizerFast:
    """As of decoders and ModernBERT; `template` says what comes around a text, `extra` are more special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<pad>", "<bos>", "<eos>", *extra]
    tokenizer.train(
        [*map(str, SOURCE.glob("*.py"))],
        trainers.BpeTrainer(
            vocab_size=WORDS, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, pair=f"{template} $B <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return wrapped(tokenizer, {"pad": "<pad>", "bos": "<bos>", "eos": "<eos>"}, side, **more)


def wrapped(
    tokenizer: Tokenizer, names: dict[str, str], side: str, **more: object
) -> transformers.PreTrainedTokenizerFast:
    tokens = {f"{name}_token": token for name, token in names.items()}
    # A published file often pads and cuts as it suited somebody: ours must not mind.
    tokenizer.enable_padding(length=100, pad_id=0)
    tokenizer.enable_truncation(9)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, padding_side=side, model_max_length=POSITIONS, **tokens, **more
    )


# ---------------------------------------------------------------- folders
def write(
    folder: Path, model: torch.nn.Module, tokenizer: transformers.PreTrainedTokenizerFast, pooling: str, **more: object
) -> Path:
    """Write what sentence-transformers would: `more` are prompts, dense layers and the like."""
    torch.manual_seed(7)
    shake(model)
    model.save_pretrained(folder)
    backend = tokenizer.backend_tokenizer.to_str()
    tokenizer.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(backend, encoding="utf-8")  # with its padding and truncation
    (folder / "README.md").write_text("---\nlibrary_name: twin\nlicense: mit\n---\nA twin.\n", encoding="utf-8")
    kinds = ["Transformer", *(["Pooling"] if pooling else []), *(["Dense"] * len(more.get("dense", ())))]
    kinds += ["Normalize"] if pooling else []
    modules = []
    for number, kind in enumerate(kinds):
        path = f"{number}_{kind}" if number else ""
        modules.append(
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        )
        (folder / path).mkdir(exist_ok=True)
        if kind == "Pooling":
            modes = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
            config: dict[str, object] = {f"pooling_mode_{mode}": name == pooling for name, mode in modes.items()}
            (folder / path / "config.json").write_text(json.dumps(config | {"word_embedding_dimension": WIDTH}))
        if kind == "Dense":
            write_dense(folder / path, more["dense"][number - 1 - bool(pooling)])
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": LIMIT, "do_lower_case": False}))
    told = {"prompts": more.get("prompts", {}), **more.get("told", {})}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told))
    return folder


def write_dense(folder: Path, sizes: tuple[int, int]) -> None:
    layer = torch.nn.Linear(*sizes, bias=False)
    save_file({"linear.weight": layer.weight.detach().clone()}, folder / "model.safetensors")
    told = {"in_features": sizes[0], "out_features": sizes[1], "bias": False}
    (folder / "config.json").write_text(json.dumps(told | {"activation_function": "torch.nn.modules.linear.Identity"}))


def shake(model: torch.nn.Module) -> None:
    """Make all weights count: fresh ones are so small, or so much one, that much of a model would do nothing."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.25)


# ---------------------------------------------------------------- the architectures
def bert(folder: Path) -> Path:
    prompts = {"query": "query: ", "document": "passage: "}
    return write(folder, transformers.BertModel(transformers.BertConfig(**SIZES)), wordpiece(), "mean", prompts=prompts)


def modernbert_config(**more: object) -> transformers.ModernBertConfig:
    special = {"pad_token_id": 0, "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2, "sep_token_id": 2}
    windows = {"local_attention": 16, "global_attn_every_n_layers": 3, "num_hidden_layers": 4}
    return transformers.ModernBertConfig(**SIZES | special | windows | more)


def modernbert(folder: Path) -> Path:
    model = transformers.ModernBertModel(modernbert_config())
    return write(folder, model, bytes_pairs("<bos> $A <eos>", "right"), "cls")


def nomicbert(folder: Path) -> Path:
    prompts = {"query": "search_query: ", "document": "search_document: "}
    model = transformers.NomicBertModel(transformers.NomicBertConfig(**SIZES))
    return write(folder, model, wordpiece(), "mean", prompts=prompts)


def jinabert(folder: Path) -> Path:
    """Code of its own, as on the hub: transformers has no Jina BERT of the second version."""
    import jina_bert

    jina_bert.JinaBertConfig.register_for_auto_class()
    jina_bert.JinaBertModel.register_for_auto_class("AutoModel")
    model = jina_bert.JinaBertModel(jina_bert.JinaBertConfig(**SIZES))
    return write(folder, model, wordpiece(), "mean")


def qwen3(folder: Path) -> Path:
    config = transformers.Qwen3Config(**SIZES | {"num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0})
    prompts = {"query": "Instruct: find the code\nQuery:", "document": ""}
    tokenizer = bytes_pairs("$A <eos>", "left")
    return write(folder, transformers.Qwen3Model(config), tokenizer, "last", prompts=prompts)


def gemma3(folder: Path) -> Path:
    windows = ["sliding_attention", "sliding_attention", "full_attention"]
    config = transformers.Gemma3TextConfig(
        **GEMMA, use_bidirectional_attention=True, sliding_window=16, layer_types=windows, eos_token_id=2
    )
    prompts = {"query": "task: code retrieval | query: ", "document": "title: none | text: "}
    return write(
        folder,
        transformers.Gemma3TextModel(config),
        bytes_pairs("<bos> $A <eos>", "right"),
        "mean",
        prompts=prompts,
        dense=[(WIDTH, 48), (48, 24)],
    )


def embedding_gemma2(folder: Path) -> Path:
    from transformers.models.embedding_gemma2 import EmbeddingGemma2TextConfig, EmbeddingGemma2TextModel

    shape = {"sliding_window": 8, "hidden_size_per_layer_input": 8, "embedding_dim": 24, "sliding_window_pattern": 3}
    config = EmbeddingGemma2TextConfig(**GEMMA | shape, global_head_dim=16, eos_token_id=2)
    return write(folder, EmbeddingGemma2TextModel(config), bytes_pairs("<bos> $A <eos>", "right"), "mean")


def late_interaction(folder: Path) -> Path:
    """As PyLate writes them: a linear layer for each token, and no pooling."""
    model = transformers.BertModel(transformers.BertConfig(**SIZES), add_pooling_layer=False)
    return write(folder, model, wordpiece(), "", dense=[(WIDTH, 16)], told=LATE | {"do_query_expansion": False})


def late_modernbert(folder: Path) -> Path:
    """As LateOn-Code: questions are filled up, and some tokens of documents count for nothing."""
    told = LATE | {"do_query_expansion": True, "skiplist_words": ["(", ")", ":"]}
    tokenizer = bytes_pairs("<bos> $A <eos>", "right", extra=("[Q] ", "[D] ", "<mask>"), mask_token="<mask>")
    # A token whose window holds hidden ones alone has no vector that means anything; a question is shorter than that.
    model = transformers.ModernBertModel(modernbert_config(local_attention=64))
    return write(folder, model, tokenizer, "", dense=[(WIDTH, 16)], told=told)


def cross_encoder(folder: Path) -> Path:
    names = ["input_ids", "token_type_ids", "attention_mask"]
    config = transformers.BertConfig(**SIZES, num_labels=1)
    return write_judge(folder, transformers.BertForSequenceClassification(config), wordpiece(model_input_names=names))


def cross_modernbert(folder: Path) -> Path:
    model = transformers.ModernBertForSequenceClassification(modernbert_config(num_labels=1))
    names = ["input_ids", "attention_mask"]
    return write_judge(folder, model, bytes_pairs("<bos> $A <eos>", "right", model_input_names=names))


def write_judge(folder: Path, model: torch.nn.Module, tokenizer: transformers.PreTrainedTokenizerFast) -> Path:
    torch.manual_seed(11)
    shake(model)
    model.save_pretrained(folder)
    backend = tokenizer.backend_tokenizer.to_str()
    tokenizer.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(backend, encoding="utf-8")
    return folder
