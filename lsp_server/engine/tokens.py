"""Tokens: from a text to the ids that a model reads.

Takes tokenizer.json and the card's rules (prefixes, how many tokens, what ends a text), gives lists of ids. What the
file says of padding and truncation is not used: published ones pad to 128 or cut at 512 as it suited somebody's export.
The tokenizers package is imported when a tokenizer is loaded, not before.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.engine.card import CARD, CHARACTERS_PER_TOKEN, REINSTALL, TOKENIZER, Card, ModelError, brief

if TYPE_CHECKING:
    import tokenizers

# Half of a UTF-16 pair, as found in broken files: Rust, and so the tokenizer, cannot hold it in a string.
SURROGATES = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text, or a pair of texts, as a model reads it."""

    ids: list[int]
    types: list[int]  # 0 for the first text, 1 for the second
    unseen: int = 0  # of the ids at the end, which get vectors of their own and are hidden from the others


class Tokenizer:
    """Turns texts into tokens by a card's rules. Raises ModelError if the folder holds no tokenizer that fits."""

    def __init__(self, folder: Path, card: Card) -> None:
        self.card = card
        self._library = _load(folder / TOKENIZER)
        self._specials = self._library.num_special_tokens_to_add(False)
        self._unknown = _unknown(self._library) if card.kind == "static" else None
        self._ending: list[int] = []  # what has to be appended
        if card.eos_token:
            eos = self._library.token_to_id(card.eos_token)
            if eos is None:
                raise ModelError(
                    f"{CARD} in {folder} ends texts with {card.eos_token!r}, which its {TOKENIZER} does not know. "
                    "Correct eos_token."
                )
            already = self._library.encode("a").ids[-1:]  # the rules of the file
            self._ending = [] if already == [eos] else [eos]
        self._expansion = self.id(card.expansion_token) if card.expansion_token else None
        if card.expansion_token and self._expansion is None:
            raise ModelError(
                f"{CARD} in {folder} fills questions up with {card.expansion_token!r}, which its {TOKENIZER} does not "
                "know. Correct expansion_token."
            )

    def document(self, text: str) -> Tokens:
        """Read a document, with its prefix; any text will do."""
        return self._single(self.card.document_prefix + text, self.card.max_tokens)

    def query(self, text: str) -> Tokens:
        """Read a question, with its prefix; where the card says so, filled up with its expansion token."""
        tokens = self._single(self.card.query_prefix + text, self.card.max_query_tokens)
        if self._expansion is None:
            return tokens
        missing = max(0, self.card.max_query_tokens - len(tokens.ids))
        return Tokens(tokens.ids + missing * [self._expansion], tokens.types + missing * [0], missing)

    def pair(self, query: str, document: str) -> Tokens:
        """Read a question and a document as one text, for a cross-encoder: the document is cut, the question rarely."""
        library, card = self._library, self.card
        first = library.encode(_clean(card.query_prefix + query, card.max_query_tokens), add_special_tokens=False)
        second = library.encode(_clean(card.document_prefix + document, card.max_tokens), add_special_tokens=False)
        first.truncate(min(card.max_query_tokens, card.max_tokens // 2))
        second.truncate(max(1, card.max_tokens - len(first.ids) - library.num_special_tokens_to_add(True)))
        encoding = library.post_process(first, second)
        return Tokens(encoding.ids, encoding.type_ids)

    def plain(self, text: str) -> list[int]:
        """Read a document without the tokens that mark beginning and end, and without those that are unknown."""
        encoding = self._library.encode(_clean(text, self.card.max_tokens), add_special_tokens=False)
        return [id for id in encoding.ids if id != self._unknown][: self.card.max_tokens]

    def id(self, token: str) -> int | None:
        """Return the id of a token, if there is one."""
        found: int | None = self._library.token_to_id(token)
        return found

    def _single(self, text: str, max_tokens: int) -> Tokens:
        text = text.lower() if self.card.lower_case else text
        encoding = self._library.encode(_clean(text, max_tokens), add_special_tokens=False)
        encoding.truncate(max_tokens - self._specials - len(self._ending))
        ids = [*self._library.post_process(encoding).ids, *self._ending]
        return Tokens(ids or [0], [0] * max(1, len(ids)))  # a graph wants at least one token, even of an empty text


def _clean(text: str, max_tokens: int) -> str:
    return SURROGATES.sub(REPLACEMENT, text.strip()[: max_tokens * CHARACTERS_PER_TOKEN])


def _unknown(library: tokenizers.Tokenizer) -> int | None:
    """Return the id of the token for what has none: WordPiece, BPE and WordLevel name it, Unigram says its id."""
    model = json.loads(library.to_str())["model"]
    found = library.token_to_id(model["unk_token"]) if isinstance(model.get("unk_token"), str) else model.get("unk_id")
    return found if isinstance(found, int) else None


def _load(path: Path) -> tokenizers.Tokenizer:
    try:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(path))
    except ImportError as error:
        raise ModelError(f"The package tokenizers cannot be loaded ({brief(error)}). Install it again.") from error
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{path} is not a tokenizer ({brief(error)}). {REINSTALL}") from error
    tokenizer.no_padding()  # MiniLM's file pads every text to 128 tokens
    tokenizer.no_truncation()
    return tokenizer
