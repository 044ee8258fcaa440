"""Listing: answers as people and programs read them.

Takes the engine's hits and status, gives JSON objects, lines for a pipe and snippets for a terminal. Inside, lines are
counted from 0; everything that leaves here counts them from 1 and includes the last one.
"""

import json
import os
import re
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lsp_server.engine.files import FilesError, Rules, read
from lsp_server.engine.hits import Hit, Status
from lsp_server.engine.index import Index
from lsp_server.engine.log import log_folder
from lsp_server.terminal import Style, clean

SNIPPET_LINES = 3  # of a hit: the signature and what it does; twenty hits still fit on a screen or two
SNIPPET_CHARS, SNIPPET_LEAST = 110, 20  # of a line: as far as it says something, and what no terminal is too narrow for

_LINE_END = re.compile(r"\r\n|\n|\r")  # those that the engine counts by

Json = dict[str, object]


def hit_object(hit: Hit) -> Json:
    """Return a hit as it stands in JSON: the path relative to the root, lines from 1, inclusive."""
    return {
        "path": hit.path,
        "start": hit.span.start_line + 1,
        "end": last_line(hit) + 1,
        "name": hit.name,
        "kind": hit.kind,
        "container": hit.container,
        "language": hit.language,
        "score": round(hit.score, 4),
        "match": hit.match,
        "preview": hit.preview,
    }


def last_line(hit: Hit) -> int:
    """Return the last line of a hit, 0-based; a span that ends before a line's first column does not hold that line."""
    span = hit.span
    return span.end_line - 1 if span.end_column == 0 and span.end_line > span.start_line else span.end_line


def answer_lines(layout: str, hits: Sequence[Hit], index: Index, style: Style) -> Iterator[str]:
    """Give the lines of an answer, laid out as "json", "vimgrep", "heading", "files", "blocks" or "lines"."""
    if layout == "json":
        yield from (as_json(hit_object(hit)) for hit in hits)
    elif layout == "vimgrep":
        yield from (_vimgrep_line(hit, index) for hit in hits)
    elif layout == "files":
        yield from (_linked_path(found[0], index, style) for found in _by_file(hits))
    elif layout == "heading":
        yield from _headed_lines(hits, index, style)
    elif layout == "blocks":
        for number, hit in enumerate(hits, 1):
            yield from _hit_block(number, hit, index, style)
    else:
        yield from (_hit_line(hit, index.root, style) for hit in hits)


def as_json(value: object) -> str:
    """Return JSON in ASCII: every console and every half of a surrogate pair in a file's name survives it."""
    return json.dumps(value)


def _hit_line(hit: Hit, root: Path, style: Style) -> str:
    """Return a hit on one line as compilers and grep write it: PATH:LINE: kind name: preview."""
    where = style.link((root / hit.path).as_uri(), place(hit, root))
    return f"{where}: {hit.kind} {clean(_full_name(hit))}: {clean(hit.preview)}"


def _vimgrep_line(hit: Hit, index: Index) -> str:
    """Return PATH:LINE:COLUMN:TEXT of a name's line; the column counts bytes of UTF-8 from 1, as in rg and Vim."""
    line, column = hit.name_span.start_line, hit.name_span.start_column
    lines = _lines(index.root, hit.path, index.rules)
    text = lines[line] if line < len(lines) else hit.preview
    column = len(text[:column].encode("utf-8", "replace")) if line < len(lines) else 0
    return f"{clean(near_path(index.root / hit.path))}:{line + 1}:{column + 1}:{clean(text)}"


def _headed_lines(hits: Sequence[Hit], index: Index, style: Style) -> Iterator[str]:
    """Give the hits of each file below its name, files and hits in the order of the best."""
    for number, found in enumerate(_by_file(hits)):
        if number:
            yield ""
        yield style.paint("35", _linked_path(found[0], index, style))
        for hit in found:
            name = style.bold(clean(_full_name(hit)))
            yield f"{style.paint('32', str(hit.name_span.start_line + 1))}: {hit.kind} {name}: {clean(hit.preview)}"


def _by_file(hits: Sequence[Hit]) -> Iterable[list[Hit]]:
    files: dict[str, list[Hit]] = {}
    for hit in hits:
        files.setdefault(hit.path, []).append(hit)
    return files.values()


def _linked_path(hit: Hit, index: Index, style: Style) -> str:
    whole = index.root / hit.path
    return style.link(whole.as_uri(), clean(near_path(whole)))


def _hit_block(number: int, hit: Hit, index: Index, style: Style) -> Iterator[str]:
    """Give the lines of a hit for a terminal: where, what, how well, and the first lines of it."""
    where = style.link((index.root / hit.path).as_uri(), style.paint("36", place(hit, index.root)))
    how = style.dim(f"{hit.score:.2f} {hit.match}")
    yield f"{number:>3}. {where}  {style.dim(hit.kind)} {style.bold(clean(_full_name(hit)))}  {how}"
    lines = _snippet(hit, index.root, index.rules)
    margin = len(str(lines[-1][0])) if lines else 0
    room = _room(style.columns, len("     ") + margin + len(" │ "))
    for line, text in lines:
        yield f"     {style.dim(f'{line:>{margin}} │')} {clean(text)[:room]}"


def _room(columns: int, taken: int) -> int:
    """Return how many characters of a line of source are shown: those that a terminal has left, within reason."""
    return min(max(columns - taken, SNIPPET_LEAST), SNIPPET_CHARS) if columns else SNIPPET_CHARS


def place(hit: Hit, root: Path) -> str:
    """Return PATH:LINE of a hit's name, relative to the current directory, so that it can be clicked or pasted."""
    return f"{clean(near_path(root / hit.path))}:{hit.name_span.start_line + 1}"


def near_path(path: Path) -> str:
    """Return `path` relative to the current directory, where it has one on the same drive."""
    try:
        return os.path.relpath(path)
    except (ValueError, OSError):  # another drive on Windows; a current directory that is gone
        return str(path)


def _full_name(hit: Hit) -> str:
    return f"{hit.container}.{hit.name}" if hit.container else hit.name


def _snippet(hit: Hit, root: Path, rules: Rules) -> list[tuple[int, str]]:
    """Return the first lines of a hit from its name on, each with its number; its preview if the file is gone."""
    first, lines = hit.name_span.start_line, _lines(root, hit.path, rules)
    rows = [at for at in range(first, min(last_line(hit) + 1, len(lines))) if lines[at].strip()][:SNIPPET_LINES]
    if not rows:
        return [(first + 1, hit.preview)]
    texts = textwrap.dedent("\n".join(lines[at] for at in rows)).split("\n")
    return [(at + 1, text) for at, text in zip(rows, texts, strict=True)]


def _lines(root: Path, path: str, rules: Rules) -> list[str]:
    """Return the lines of a file, none if it is gone."""
    try:
        return _LINE_END.split(read(root, path, rules).text)
    except FilesError:
        return []


def status_object(index: Index, status: Status) -> Json:
    """Return a status as it stands in JSON; the names are those of the protocol."""
    return {
        "root": str(index.root),
        "state": status.state,
        "mode": status.mode,
        "filesDone": status.files_done,
        "filesTotal": status.files_total,
        "symbols": status.symbols,
        "embedded": status.embedded,
        "model": status.model,
        "vectors": status.vectors,
        "message": status.message,
        "reranker": status.reranker,
        "bytes": status.bytes,
        "lastUpdate": status.last_update,
        "skippedTotal": status.skipped_total,
        "skipped": [{"path": path, "reason": reason} for path, reason in status.skipped],
        "folder": str(index.folder),
        "log": str(log_folder(index.options.cache_dir)),
    }


def status_lines(index: Index, status: Status, approximate: str) -> Iterator[str]:
    """Give a status for people; `approximate` is what there is to say of hnswlib."""
    updated = time.strftime("%Y-%m-%d %H:%M", time.localtime(status.last_update))
    yield f"folder    {clean(str(index.root))}"
    yield f"files     {status.files_done:,}, and {status.skipped_total:,} left out"
    pending = status.symbols - status.embedded
    waiting = f"; {pending:,} wait for their vectors" if pending else ""
    yield f"symbols   {status.symbols:,}, of which {status.embedded:,} can be found by meaning{waiting}"
    yield f"model     {status.model or 'none in use yet'}"
    yield f"vectors   {status.vectors or 'none yet'}{approximate}"
    if status.reranker:
        yield f"reranker  {status.reranker}, which reorders the best hits"
    yield f"current   since {updated}" if status.last_update else "current   not yet"
    yield f"index     {clean(str(index.folder))} ({status.bytes / 1e6:,.1f} MB)"
    yield f"log       {clean(str(log_folder(index.options.cache_dir)))}"
    if status.message:
        yield f"note      {clean(status.message)}"


def skipped_lines(status: Status) -> Iterator[str]:
    """Give the files that are left out, for people."""
    for path, reason in status.skipped:
        yield f"left out  {clean(path)}: {clean(reason)}"
    if status.skipped_total > len(status.skipped):
        yield f"          ... and {status.skipped_total - len(status.skipped):,} more"
