"""Text: the sentence that is embedded for a symbol, and the words it is matched by.

Takes a Symbol and the path of its file, gives the text for the encoder with its hash, and a bag of words.
Measured in `benchmarks/quality`: whole symbols beat chunks, the body is worth its tokens, stemming pays.
Does not know models: the cut at the model's maximum length is the encoder's.
"""

import re
import zlib
from array import array
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from pathlib import PurePosixPath

import snowballstemmer  # type: ignore[import-untyped]  # ships no annotations

from lsp_server.engine.symbols import Symbol

RECIPE = 3  # raise it whenever a text or a bag of words comes out differently: every file is then read again
DOC_CHARS = 300
SIGNATURE_CHARS = 200
MEMBER_NAMES = 40
TEXT_CHARS = 1_200  # 128 tokens are about 500 characters of code; more would only cost disk until it is embedded
BODY_WORD_CHARS = 8_000  # words of longer bodies say little about what a symbol is for
PATH_PARTS = 3  # the file name and two folders

FIELDS = ("name", "file", "container", "folders", "signature", "doc", "body")
"""The fields of a bag of words, in the order of their numbers."""

STOP_WORDS = frozenset(
    """
    a an and any are as at be been being but by can could did do does doing done for from get gets got had has have how
    i if in into is it its me my of off on or our out over per shall should so some such than that the their them then
    there these they this those through to up us used uses using via was we were what when where which while who whom
    whose why will with within without would you your
    """.split()  # noqa: SIM905 - a list of a hundred quoted words is not easier to read
)
"""Words of a question that say nothing about code."""

_WORD = re.compile(r"\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+")
_stemmer = snowballstemmer.stemmer("english")


def describe(symbol: Symbol, path: str) -> str:
    """Return the text that is embedded for `symbol` of the file `path`."""
    head = f"{symbol.kind} {_spoken(symbol.name)}"
    if symbol.container:
        head += f", in {_spoken(symbol.container)}"
    # The path stands in the file's own text alone, which ranking looks at beside each symbol's: in every text it was
    # worth no more, and a renamed file would be embedded again as a whole.
    parts = [f"{head}, file {_spoken_path(path)}." if symbol.kind == "file" else f"{head}."]
    if symbol.doc:
        parts.append(squeeze(symbol.doc)[:DOC_CHARS] + ".")
    signature = symbol.signature[:SIGNATURE_CHARS]
    if signature:
        parts.append(signature)
    if symbol.members:
        parts.append("members: " + " ".join(_spoken(name) for name in symbol.members[:MEMBER_NAMES]))
    # The body begins with the declaration, which the signature has just said.
    body = squeeze(symbol.body[: 2 * TEXT_CHARS])
    parts.append(body.removeprefix(symbol.signature).lstrip())
    return " ".join(parts)[:TEXT_CHARS]


def text_hash(text: str) -> bytes:
    """Return the 16 bytes that stand for `text` in the store (BLAKE2b)."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def squeeze(text: str) -> str:
    """Return `text` with every run of white space made one space."""
    return " ".join(text.split())


def bag_of_words(symbol: Symbol, path: str) -> bytes:
    """Return the words of `symbol` by field: packed unsigned 64-bit numbers, `term << 16 | field << 8 | count`."""
    file, folders = _path_words(path)
    packed = array("Q", _pack(0, symbol.name))
    packed.extend(_pack_again(1, file))
    packed.extend(_pack_again(2, symbol.container))
    packed.extend(_pack_again(3, folders))
    packed.extend(_pack(4, symbol.signature))
    packed.extend(_pack(5, symbol.doc))
    packed.extend(_pack(6, " ".join((symbol.body[:BODY_WORD_CHARS], *symbol.members))))
    return packed.tobytes()


def _pack(field: int, text: str) -> list[int]:
    counts: dict[int, int] = {}
    for word in _WORD.findall(text):
        for term in terms_of(word):
            counts[term] = counts.get(term, 0) + 1
    low = field << 8
    return [term << 16 | low | (count if count < 256 else 255) for term, count in counts.items()]


_pack_again = lru_cache(maxsize=4_096)(_pack)  # for fields that many symbols of a file share


@lru_cache(maxsize=4_096)
def _path_words(path: str) -> tuple[str, str]:
    """Return the name of a file without its extensions, and its last folders."""
    parts = PurePosixPath(path).parts
    return parts[-1].split(".")[0], " ".join(parts[:-1][-PATH_PARTS:])


def query_terms(words: Iterable[str]) -> list[int]:
    """Return the distinct terms of a question; stop words count only when nothing else is left."""
    words = list(words)
    telling = [word for word in words if word.lower() not in STOP_WORDS]
    return list(dict.fromkeys(term for word in telling or words for term in terms_of(word)))


def words_of(text: str) -> list[str]:
    """Return the words and identifiers in `text`, in order."""
    return _WORD.findall(text)


@lru_cache(maxsize=200_000)
def terms_of(word: str) -> tuple[int, ...]:
    """Return the terms that a word or identifier is matched by: itself and its camel, snake and digit parts, stemmed.

    A term is the CRC-32 of its stem: no dictionary to keep, and about one collision in a hundred thousand terms.
    """
    if len(word) > 200:  # base64 and other data
        return ()
    parts = [part.lower() for part in split_identifier(word)]
    whole = word.lower().strip("_")
    if len(parts) != 1:
        parts.append(whole)
    terms: dict[int, None] = {}
    for part in parts:
        for piece in _bigrams(part) if not part.isascii() else (part,):
            terms[_term(piece)] = None
    return tuple(terms)


def split_identifier(word: str) -> list[str]:
    """Return the parts of an identifier: `parseHTTPHeader2` gives `parse HTTP Header 2`."""
    return _PART.findall(word)


@lru_cache(maxsize=20_000)
def _spoken(name: str) -> str:
    """Return a name as words."""
    return " ".join(part if part.isupper() else part.lower() for part in split_identifier(name)) or name


@lru_cache(maxsize=4_096)
def _spoken_path(path: str) -> str:
    return _spoken(" ".join(PurePosixPath(path).with_suffix("").parts[-PATH_PARTS:]))


def _bigrams(part: str) -> tuple[str, ...]:
    """Return overlapping pairs of letters for scripts that are written without spaces, else the part itself."""
    if len(part) < 3 or not any("\u3040" <= letter <= "\u9fff" for letter in part):
        return (part,)
    return tuple(part[i : i + 2] for i in range(len(part) - 1))


@lru_cache(maxsize=50_000)  # the parts of identifiers are few, and stemming is slow
def _term(part: str) -> int:
    stem = str(_stemmer.stemWord(part)) if len(part) > 2 else part
    return zlib.crc32(stem.encode("utf-8", "replace"))
