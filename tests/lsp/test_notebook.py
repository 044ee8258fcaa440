"""Open notebooks: their cells have languages, and what is found in them is a place that the client can show."""

import asyncio
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.convert import split_lines
from lsp_server.engine.symbols import Span
from lsp_server.notebook import Cell, Notebook

from .editor import SECONDS

pytestmark = pytest.mark.timeout(240)

TEA = (
    'def brew_tea(leaves):\n    """Make a hot drink from \\"dried\\" leaves, für später."""\n    return steep(leaves)\n'
)
ODD = st.text(st.sampled_from('ab"\\\n\r\té\u2028\U0001f600\x0c'), max_size=30)


class Open:
    """A notebook on disk, and what a client tells of it."""

    def __init__(self, client, path, sources, language="python"):
        self.client, self.uri = client, path.as_uri()
        self.cells = [f"vscode-notebook-cell:{path.as_uri()[5:]}#c{number}" for number in range(len(sources))]
        self.language = language
        outputs = [{"output_type": "stream", "name": "stdout", "text": [f"line {n}\n" for n in range(40)]}]
        cell = {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": outputs}
        book = [cell | {"source": source.splitlines(keepends=True)} for source in sources]
        metadata = {"language_info": {"name": language}}
        text = json.dumps({"cells": book, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1)
        path.write_text(text)
        self.lines = text.split("\n")

    def open(self, sources):
        cells = [{"kind": 2, "document": uri} for uri in self.cells]
        book = {"uri": self.uri, "notebookType": "jupyter-notebook", "version": 1, "cells": cells}
        texts = [
            {"uri": uri, "languageId": self.language, "version": 1, "text": source}
            for uri, source in zip(self.cells, sources, strict=True)
        ]
        self.client.notify("notebookDocument/didOpen", {"notebookDocument": book, "cellTextDocuments": texts})

    def edit(self, number, text):
        content = [{"document": {"uri": self.cells[number], "version": 2}, "changes": [{"text": text}]}]
        change = {"notebookDocument": {"uri": self.uri, "version": 2}, "change": {"cells": {"textContent": content}}}
        self.client.notify("notebookDocument/didChange", change)

    def close(self):
        cells = [{"uri": uri} for uri in self.cells]
        closed = {"notebookDocument": {"uri": self.uri}, "cellTextDocuments": cells}
        self.client.notify("notebookDocument/didClose", closed)

    async def row(self, name, test=lambda row: True):
        end = time.monotonic() + SECONDS
        while True:
            rows = (await self.client.search(name, limit=5))["symbols"]
            if found := [row for row in rows if row["name"] == name and row["kind"] == 12 and test(row)]:
                return found[0]
            assert time.monotonic() < end, rows
            await asyncio.sleep(0.05)


def start(row):
    return row["location"]["uri"], row["selectionRange"]["start"]


async def test_places_are_the_files_until_a_cell_is_edited(opened, project):
    sources = [f"def cell_number_{number}(x):\n    return x + {number}" for number in range(3)]
    async with opened.a_pass():
        book = Open(opened, project / "places.ipynb", sources)
        opened.saved(project / "places.ipynb")
    line = next(at for at, text in enumerate(book.lines) if "cell_number_2" in text)
    stored = book.uri, {"line": line, "character": book.lines[line].index("cell_number_2")}
    assert start(await book.row("cell_number_2")) == stored
    book.open(sources)
    await opened.names("anything")
    assert start(await book.row("cell_number_2")) == stored
    book.edit(0, f"x = 1\n\n{TEA}")
    row = await book.row("brew_tea")
    assert start(row) == (book.cells[0], {"line": 2, "character": 4})
    assert row["location"]["range"]["end"] == {"line": 4, "character": 24}
    assert start(await book.row("cell_number_2")) == (book.cells[2], {"line": 0, "character": 4})
    # What is like a row, and why it is one, may be asked of the place that the row names.
    asked = {"textDocument": {"uri": row["location"]["uri"]}, "range": row["selectionRange"]}
    similar = await opened.request("workspace/similarSymbol", asked)
    assert similar["symbols"] and "message" not in similar["index"]
    assert (await opened.command("meaning-ls.explain", "brew_tea", row["location"]))["name"] == "brew_tea"
    book.close()
    await book.row("cell_number_2", lambda row: start(row) == stored)
    assert "brew_tea" not in await opened.names("brew_tea")


async def test_rows_of_cells_in_a_folder_inside_another_one(client, project):
    inner = project / "inner"
    inner.mkdir()
    book = Open(client, inner / "a.ipynb", ["x = 1"])
    await client.initialize(project, inner)
    await client.ready()
    book.open(["x = 1"])
    book.edit(0, TEA)
    assert (await book.row("brew_tea"))["location"]["uri"] == book.cells[0]
    assert (await client.names("brew_tea")).count("brew_tea") == 1


async def test_cells_keep_their_language(opened, project):
    source = "function stored_number(x)\n    x + 1\nend\n"
    async with opened.a_pass():
        book = Open(opened, project / "julia.ipynb", [source], "julia")
        opened.saved(project / "julia.ipynb")
    stored = await book.row("stored_number")
    book.open([source])
    book.edit(0, source + "\nfunction typed_number(y)\n    y * 2\nend\n")
    typed = await book.row("typed_number")
    assert typed["kind"] == stored["kind"] == 12  # a function; Python's parser finds none
    assert typed["languageId"] == stored["languageId"]
    assert typed["selectionRange"]["start"] == {"line": 4, "character": 9}


@given(st.lists(ODD, min_size=1, max_size=4), st.data())
def test_each_place_of_a_cell_is_found_in_the_text_and_back(sources, data):
    cells = [Cell(f"cell:{at}", "code", "python", tuple(split_lines(text))) for at, text in enumerate(sources)]
    notebook = Notebook("file:///a.ipynb", cells)
    assert ["".join(cell["source"]) for cell in json.loads(notebook.text)["cells"]] == sources
    cell = data.draw(st.sampled_from(cells))
    line = data.draw(st.integers(0, len(cell.lines) - 1))
    column = data.draw(st.integers(0, len(cell.lines[line])))
    row = notebook.in_text(cell.uri, line)
    text = notebook.text.split("\n")[row]
    assert json.loads(text.strip().removesuffix(",")) == cell.lines[line]
    before = json.dumps(cell.lines[line][:column], ensure_ascii=False)
    at = text.index('"') + len(before) - 1
    assert notebook.in_cell(Span(row, at, row, at)) == (cell, Span(line, column, line, column))


def test_what_is_in_no_cell():
    notebook = Notebook(
        "file:///a.ipynb", [Cell("cell:1", "code", "", ("x = 1\n", "y")), Cell("cell:2", "code", "", ("z",))]
    )
    assert notebook.in_cell(Span(0, 0, 0, 0)) is None
    one, other = notebook.in_text("cell:1", 0), notebook.in_text("cell:2", 0)
    assert notebook.in_cell(Span(one, 5, other, 5)) is None
    assert notebook.in_text("cell:3", 0) is None
    assert notebook.in_text("cell:1", 99) == one + 1
