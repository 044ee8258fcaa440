"""Overlay: texts that are open in an editor and not saved, searched in the place of what is stored of their files.

Takes a file's text, has it read like a file on disk, and gives the corpus rows with ids below zero; knows what is shown
of them. A symbol that an edit leaves alone keeps its id and its row, so that typing costs the symbols that change.
Nothing of it is ever written to disk. Changed by the thread that catches up; what is shown may be asked by any.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lsp_server.engine.commits import FileRecord, SymbolRecord
from lsp_server.engine.corpus import Corpus
from lsp_server.engine.encoder import Encoder
from lsp_server.engine.files import content_hash
from lsp_server.engine.reading import ReadingProcess, Wanted
from lsp_server.engine.store import Details, Store, SymbolRow
from lsp_server.engine.vectors import quantise


@dataclass(frozen=True, slots=True)
class Laid:
    """One file's unsaved symbols, parents first, and their ids."""

    record: FileRecord
    ids: tuple[int, ...]

    def symbols(self) -> Iterator[tuple[int, SymbolRecord]]:
        """Give each symbol with its id."""
        return zip(self.ids, self.record.symbols or (), strict=True)

    def rows(self) -> list[SymbolRow]:
        """Return the symbols as ranking wants them, without file and vectors."""
        return [
            SymbolRow(symbol_id, 0, self.ids[s.parent] if s.parent >= 0 else 0, s.kind, s.name, s.text_hash, s.bag, 0)
            for symbol_id, s in self.symbols()
        ]


class Overlay:
    """All unsaved files of an index."""

    def __init__(self) -> None:
        self._files: dict[str, Laid] = {}
        self._shown: dict[int, tuple[str, str, SymbolRecord]] = {}  # replaced as a whole: other threads read it
        self._next = -1

    def lay_over(self, path: str, text: str, store: Store, corpus: Corpus, reader: ReadingProcess) -> bool:
        """Have `text` answer instead of what is stored of a file; False when that is the same, or it is left out."""
        digest = content_hash(text.encode("utf-8", "surrogatepass"))
        before = self._files.get(path)
        if store.has_content(path, digest):
            self.lift(path, corpus)
            return False
        if before is not None and before.record.content_hash == digest:
            return True
        record = next(reader.records([Wanted(path, (0, 0, 0), b"", text)]), None)
        if not isinstance(record, FileRecord) or record.left_out:
            self.lift(path, corpus)
            return False
        laid = Laid(record, self._ids(record, before))
        self._keep(self._files | {path: laid})
        corpus.lay(path, record.language, laid.rows())
        waiting = corpus.waiting(dict.fromkeys(symbol.text_hash for _, symbol in laid.symbols()))
        corpus.settle(store.vectors_of(waiting, corpus.view.model))
        return True

    def lift(self, path: str, corpus: Corpus) -> None:
        """Have what is stored of a file answer again."""
        if path in self._files:
            self._keep({other: laid for other, laid in self._files.items() if other != path})
            corpus.lift(path)

    def move_to(self, corpus: Corpus) -> None:
        """Lay everything over another corpus."""
        for path, laid in self._files.items():
            corpus.lay(path, laid.record.language, laid.rows())

    def embed(self, corpus: Corpus, encoder: Callable[[], Encoder], seconds: float) -> bool:
        """Embed texts for about so long; True when some are left."""
        texts = {symbol.text_hash: symbol.text for _, _, symbol in self._shown.values()}
        waiting = corpus.waiting(texts)
        if not waiting:
            return False
        end, found = time.monotonic() + seconds, {}
        for text_hash in waiting:
            found[text_hash] = quantise(encoder().encode(texts[text_hash]))
            if time.monotonic() > end:
                break
        corpus.settle_laid(found.items())
        return len(found) < len(waiting)

    def _ids(self, record: FileRecord, before: Laid | None) -> tuple[int, ...]:
        """Return an id for each symbol: the one it had if nothing changed that ranking goes by."""
        kept: dict[tuple[object, ...], list[int]] = {}
        for symbol_id, symbol in before.symbols() if before else ():
            kept.setdefault(_content(symbol), []).append(symbol_id)
        ids = []
        for symbol in record.symbols or ():
            if same := kept.get(_content(symbol)):
                ids.append(same.pop(0))
            else:
                ids.append(self._next)
                self._next -= 1
        return tuple(ids)

    def _keep(self, files: dict[str, Laid]) -> None:
        self._files = files
        self._shown = {
            symbol_id: (path, laid.record.language, symbol)
            for path, laid in files.items()
            for symbol_id, symbol in laid.symbols()
        }

    # ---- what is shown

    def details(self, ids: Sequence[int]) -> dict[int, Details]:
        """Return what is shown of the symbols `ids`, by id; those that are gone are missing."""
        shown = self._shown
        found = {symbol_id: shown[symbol_id] for symbol_id in ids if symbol_id in shown}
        return {
            symbol_id: Details(path, language, s.kind, s.name, s.container, s.spans, s.ascii, s.preview, s.detail, True)
            for symbol_id, (path, language, s) in found.items()
        }

    def spans_of(self, path: str) -> list[tuple[int, tuple[int, ...]]] | None:
        """Return (id, spans) of a file's symbols, parents first; None when the file has nothing unsaved."""
        laid = self._files.get(path)
        return None if laid is None else [(symbol_id, symbol.spans) for symbol_id, symbol in laid.symbols()]

    def text_of(self, symbol_id: int) -> str:
        """Return the text that is embedded for an unsaved symbol, "" for another."""
        shown = self._shown.get(symbol_id)
        return shown[2].text if shown else ""

    def literal(self, phrase: str) -> set[int]:
        """Return the symbols in whose name, documentation or code `phrase` stands, as `Store.literal` does."""
        wanted = re.compile((r"(?<![^\W_])" if phrase[:1].isalnum() else "") + re.escape(phrase.lower()))
        return {
            symbol_id
            for symbol_id, (_, _, symbol) in self._shown.items()
            if any(wanted.search(text.lower()) for text in (symbol.name, symbol.doc, symbol.code))
        }


def _content(symbol: SymbolRecord) -> tuple[object, ...]:
    """Return everything that ranking goes by: rows of the same content may serve each other."""
    return symbol.kind, symbol.name, symbol.text_hash, symbol.bag
