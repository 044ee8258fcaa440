"""Comments: from comment source, in any language's marks, to the words that were written.

Takes the source of one or more comments or of a docstring, gives its lines without marks, rulers and indentation.
Does not read what is inside (tags, reST, Markdown stay as they are).
"""

import re

DOC_LIMIT = 4_000  # characters; longer documentation adds nothing that the encoder or the word index would read

# What may open a line of a comment in any language: // /// //! /* /** /*! * # #' <# ; % -- -- | {- {-| <!-- (* ! dnl
_OPEN = re.compile(
    r"/\*+[!<]*|//+[/!<]*|\*+(?!/)|<#+|#+[!'|:]?|;+|%+|--+(?:\s?[|^])?|\{-+(?:\s?[|^])?|<!--+|\(\*+|!+<?"
    r"|dnl\b|=begin\b|=end\b"
)
_CLOSE = re.compile(r"\s*(?:\*+/|-+\}|--+>|\*+\)|#+>)\s*$")
_RULER = re.compile(r"\s*[/#*=~_-]{4,}$")
_INDENT = re.compile(r"[ \t]*")
_QUOTES = re.compile(r"""^[A-Za-z@~%]{0,10}(\"\"\"|'''|"|'|`)""")
# The tags of C# documentation: only what stands between them, and what an empty one refers to, is said to a reader.
_XML = re.compile(r"<(?:summary|inheritdoc|param name=|remarks)\b")
_XML_TAG = re.compile(
    r"</?(?:summary|remarks|returns|value|example|para|code|c|inheritdoc|exception|param|paramref|typeparam|typeparamref"
    r"|see|seealso|list|listheader|item|term|description)\b(?:[^<>\n]*?\b(?:cref|name|langword)=[\"']([^\"'\n]*)[\"'])?[^<>\n]*>"
)
_WORD = re.compile(r"[^\W_]")
# What a paragraph of a notice says; only asked of what opens a file.
_NOTICE = re.compile(
    r"copyright|\(c\) ?(?:19|20)\d\d|licen[sc]e|all rights reserved|permission is hereby|redistribut|warrant(?:y|ies)\b"
    r"|free software|SPDX|this file is part of",
    re.IGNORECASE,
)
# Words of licences and notices that documentation of code does not use.
_LICENCE = (
    b"copyright",
    b"(c) 20",
    b"(c) 19",
    b"spdx-",
    b"all rights reserved",
    b"licensed under",
    b"licensed to",
    b"permission is hereby granted",
    b"redistribution and use",
    b"without warranty",
    b"@license",
    b"under the terms of the",
)


def is_licence(source: bytes) -> bool:
    """Say whether a comment is a licence or a copyright notice: the same words in every file, so never a doc."""
    lowered = source.lower()
    return any(words in lowered for words in _LICENCE)


def licences(comments: list[tuple[int, int]], source: bytes) -> set[tuple[int, int]]:
    """Give those of some sorted comments that are a licence; line comments on adjacent lines are judged as one."""
    if not is_licence(source):
        return set()
    found: set[tuple[int, int]] = set()
    group: list[tuple[int, int]] = []
    for one in [*comments, (len(source) + 1, len(source) + 1)]:
        gap = source[group[-1][1] : one[0]] if group else b""
        same = not group or source[group[0][0] : group[0][0] + 2] == source[one[0] : one[0] + 2] != b"/*"
        if group and (not same or gap.strip() or gap.count(b"\n") > 1):
            if is_licence(source[group[0][0] : group[-1][1]]):
                found.update(group)
            group = []
        group.append(one)
    return found


def strip_marks(source: str) -> str:
    """Take the marks off one or more comments; rulers and empty lines separate paragraphs."""
    lines = []
    for raw in source[: 2 * DOC_LIMIT].splitlines():
        line = _CLOSE.sub("", raw.strip())
        mark = _OPEN.match(line)
        lines.append(line[mark.end() :].rstrip() if mark else line)
    if _XML.search(source):
        lines = [_XML_TAG.sub(_said, line) for line in lines]
    return _tidy(lines)


def _said(tag: re.Match[str]) -> str:
    name = tag.group(1) or ""
    return name if tag.group().endswith("/>") or not name else f"{name} "


def without_licence(doc: str) -> str:
    """Leave out the paragraphs of a licence or a copyright notice: the same words in every file."""
    paragraphs = doc.split("\n\n")
    kept = [text for text in paragraphs if not _NOTICE.search(text)]
    if len(kept) < len(paragraphs):  # single words beside a notice are its headline or a marker
        kept = [text for text in kept if " " in text.strip()]
    return "\n\n".join(kept)


def strip_quotes(source: str) -> str:
    """Take prefix, quotes and indentation off a string literal that serves as documentation; prose stays as it is."""
    text = source[: 2 * DOC_LIMIT]
    quote = _QUOTES.match(text)
    mark = quote.group(1) if quote else ""
    inside = text[quote.end() :].rstrip().removesuffix(mark) if quote else ""
    closed = len(source) > 2 * DOC_LIMIT or text.rstrip().endswith(mark)
    if quote and closed and not (mark == "`" and mark in inside):  # `a` and `b`
        text = inside
    return _tidy([text.split("\n", 1)[0].strip(), *text.split("\n")[1:]])


def _tidy(lines: list[str]) -> str:
    kept = [_RULER.sub("", line.rstrip()) if _WORD.search(line) else "" for line in lines]
    indents = [len(_INDENT.match(line).group()) for line in kept[1:] if line]  # type: ignore[union-attr]
    cut = min(indents, default=0)
    text = "\n".join([kept[0].strip() if kept else "", *(line[cut:] for line in kept[1:])])
    return re.sub(r"\n{2,}", "\n\n", text).strip()[:DOC_LIMIT].rstrip()
