"""Ugly inputs: real code of every language, spoilt in the ways in which files are spoilt, and worse.

Gives Hypothesis strategies of inputs: a file name and bytes. An input is made from its recipe (a language and a few
steps of plain numbers) by a pure function, so that Hypothesis can shrink what broke something.
"""

import json
from dataclasses import dataclass

from engine.symbol_cases import CASES
from engine.test_symbols_a import SOURCES
from engine.test_symbols_b import CASES as OTHER_CASES
from hypothesis import strategies as st

from lsp_server.engine.languages import LANGUAGES

MOST_BYTES = 8_000  # of most inputs: a parser takes 2 ms for a thousand, and many inputs are worth more than large ones
LARGE_BYTES = 200_000  # of those few that one step makes large on purpose

_BOOK = {"cell_type": "code", "metadata": {}, "source": ["def f(x):\n", "    return x\n"], "outputs": []}
_TITLE = {"cell_type": "markdown", "metadata": {}, "source": "# Title\n\nWords.\n"}
# Where a language has no source of its own in the tests, that of its nearest relative.
_RELATIVES = {"cuda-cpp": "cpp", "javascriptreact": "javascript", "jsonc": "json", "mdx": "markdown",
              "starlark": "python", "typescriptreact": "typescript"}  # fmt: skip

_PAIRS = [(b"(", b")"), (b"[", b"]"), (b"{", b"}"), (b"{\n", b"}\n"), (b"<", b">"), (b"<div>", b"</div>"), (b'"', b'"'),
          (b"'''", b"'''"), (b"/*", b"*/"), (b"{-", b"-}"), (b"(*", b"*)"), (b"#|", b"|#"), (b"${", b"}"), (b"`", b"`"),
          (b"%w(", b")"), (b"#{", b"}"), (b"begin\n", b"end\n"), (b"if x then ", b" end "), (b"- ", b""), (b"> ", b""),
          (b"a.", b""), (b"f(", b")"), (b"x ? ", b": y"), (b"class A {", b"}"), (b"=> ", b""), (b"! ", b""),
          (b"? ", b"")]  # fmt: skip
_JUNK = [b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\xbd", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x80", b"\x0c",
    b"\x0b",
         b"\x1a", b"\x1b[2J", b"\x7f", b"\r", b"\n\r", b"\t", "\u2028".encode(), "\u202e".encode(), "\u200d".encode(),
         "e\u0301".encode() * 9, "👩‍👩‍👧‍👦".encode(), "\U0010ffff".encode(), "ß".encode(), "İ".encode(), b'"""',
         b"'''", b"`",
         b"${", b"#{", b"{%", b"<?php", b"?>", b"<script>", b"</script>", b"<!--", b"]]>", b"*/", b"//", b"#",
         b"--", b"\\",
         b"\\\n", b"<<EOF\n", b"R\"x(", b")x\"", b"@", b"$", b"%", b"&", b"~", b"^", b"0x", b"1e999999",
         b"9" * 400, b";;;",
         b"=begin\n", b"=end\n", b"__END__\n", b"---\n", b"...\n", b"+++\n", b"|\n", b">-\n", b"&a *a", b"!!x",
         b"\n\n\n"]  # fmt: skip
_ENDS = [b"\r", b"\r\n", b"\n\r", b"\r\r\n", b"\x0b", b"\x0c", "\u2028".encode(), "\x85".encode(), b" ", b""]
_ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "utf-7"]


def seeds() -> dict[str, bytes]:
    """Return real code of every language that has a grammar, of notebooks and of plain text."""
    texts = {language: text for language, (text, _) in CASES.items()} | dict(SOURCES)
    for language, text, *_ in OTHER_CASES:
        texts[language] = texts.get(language, "") + text + "\n"
    texts |= {language: texts[relative] for language, relative in _RELATIVES.items()}
    book = {"cells": [_BOOK, _TITLE, _BOOK], "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4}
    texts["jupyter"] = json.dumps(book, indent=1)
    texts["plaintext"] = "One line.\n\nAnd another one, of whales.\n"
    missing = {name for name, row in LANGUAGES.items() if row.grammar} - set(texts)
    assert not missing, f"no source to spoil for {missing}"
    return {language: text.encode() for language, text in sorted(texts.items())}


SEEDS = seeds()
LANGUAGE_NAMES = tuple(SEEDS)


@dataclass(frozen=True, slots=True)
class Step:
    """One way to spoil a text. `at` and `size` are shares of it, `pick` chooses from a list."""

    kind: str
    at: int  # of 255
    size: int  # of 255
    pick: int


@dataclass(frozen=True, slots=True)
class Input:
    """A file to be read."""

    language: str
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """What the file is called, by which its language is known."""
        row = LANGUAGES.get(self.language)
        extension = row.extensions[0] if row and row.extensions else ".ipynb" if self.language == "jupyter" else ".txt"
        return f"a{extension}"

    @property
    def data(self) -> bytes:
        """What stands in it."""
        text = SEEDS[self.language]
        for step in self.steps:
            text = _KINDS[step.kind](text, step)[: LARGE_BYTES if step.kind == "large" else max(MOST_BYTES, len(text))]
        return text


def _cut(text: bytes, step: Step) -> tuple[bytes, bytes, bytes]:
    """Cut a text in three: the piece in the middle is what a step is about."""
    start = len(text) * step.at // 256
    end = min(len(text), start + 1 + len(text) * step.size * step.size // 256**2)
    return text[:start], text[start:end], text[end:]


def _flip(text: bytes, step: Step) -> bytes:
    before, piece, after = _cut(text, step)
    flipped = bytes(byte ^ (1 << step.pick % 8) if number % 7 == 0 else byte for number, byte in enumerate(piece))
    return before + flipped + after


def _drop(text: bytes, step: Step) -> bytes:
    before, _, after = _cut(text, step)
    return before + after


def _end(text: bytes, step: Step) -> bytes:
    return text[: len(text) * step.at // 256]


def _repeat(text: bytes, step: Step) -> bytes:
    before, piece, after = _cut(text, step)
    return before + piece * min(2 + step.pick * step.pick // 8, MOST_BYTES // (len(piece) + 1) + 1) + after


def _move(text: bytes, step: Step) -> bytes:
    before, piece, after = _cut(text, step)
    where = len(after) * step.pick // 256
    return before + after[:where] + piece + after[where:]


def _nest(text: bytes, step: Step) -> bytes:
    before, piece, after = _cut(text, step)
    opens, closes = _PAIRS[step.pick % len(_PAIRS)]
    times = 1 + step.size * step.size // 32
    return before + opens * times + piece + closes * (times - step.at % 2) + after


def _indent(text: bytes, step: Step) -> bytes:
    before, piece, after = _cut(text, step)
    lines = piece.splitlines(keepends=True)
    blank = b"\t" if step.pick % 2 else b" "
    return before + b"".join(blank * (number * (1 + step.pick % 5)) + line for number, line in enumerate(lines)) + after


def _junk(text: bytes, step: Step) -> bytes:
    before, piece, after = _cut(text, step)
    junk = _JUNK[step.pick % len(_JUNK)]
    every = 1 + len(piece) // (1 + step.size)
    return before + b"".join(junk + piece[start : start + every] for start in range(0, len(piece), every)) + after


def _breaks(text: bytes, step: Step) -> bytes:
    before, piece, after = _cut(text, step)
    return before + piece.replace(b"\n", _ENDS[step.pick % len(_ENDS)]) + after


def _graft(text: bytes, step: Step) -> bytes:
    before, _, after = _cut(text, step)
    _, piece, _ = _cut(SEEDS[LANGUAGE_NAMES[step.pick % len(LANGUAGE_NAMES)]], step)
    return before + piece + after


def _encode(text: bytes, step: Step) -> bytes:
    return text.decode("utf-8", "replace").encode(_ENCODINGS[step.pick % len(_ENCODINGS)], "replace")


def _large(text: bytes, step: Step) -> bytes:
    _, piece, _ = _cut(text, step)
    return text + (piece or b"x") * (LARGE_BYTES * step.pick**3 // 256**3 // (len(piece) + 1))


_KINDS = {
    "flip": _flip, "drop": _drop, "end": _end, "repeat": _repeat, "move": _move, "nest": _nest, "indent": _indent,
    "junk": _junk, "breaks": _breaks, "graft": _graft, "encode": _encode, "large": _large,
}  # fmt: skip
# Large ones cost a hundred times as much as others, and few are needed; what is encoded anew is mostly no longer code.
_OFTEN = [kind for kind in _KINDS if kind not in ("large", "encode")] * 16 + ["large", "encode", "encode"]

_share = st.integers(0, 255)
steps = st.builds(Step, st.sampled_from(_OFTEN), _share, _share, _share)
inputs = st.builds(Input, st.sampled_from(LANGUAGE_NAMES), st.lists(steps, min_size=1, max_size=5).map(tuple))
