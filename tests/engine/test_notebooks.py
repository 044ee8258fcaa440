"""Notebooks: cells, their functions and sections are found, at their places in the JSON text, whatever its form."""

import json
import random
from inspect import cleandoc
from itertools import pairwise

import pytest

from lsp_server.engine.files import SourceFile
from lsp_server.engine.notebooks import extract_notebook
from lsp_server.engine.symbols import Extraction, Span, Symbol

TRAINING = cleandoc(r'''
    # Train the "model" 😀
    import torch
    %matplotlib inline

    class Net(torch.nn.Module):
        """Two layers\deep."""

        def forward(self, x):
            return x  # über

    @torch.no_grad()
    def test_net():
        assert Net()
    RATE = 0.1
''')


def code(text: str, **more: object) -> dict[str, object]:
    return {"cell_type": "code", "source": text.splitlines(keepends=True), "outputs": [], "metadata": {}, **more}


def markdown(text: str) -> dict[str, object]:
    return {"cell_type": "markdown", "source": text.splitlines(keepends=True), "metadata": {}}


def notebook(*cells: dict[str, object], language: str = "python") -> dict[str, object]:
    metadata = {"kernelspec": {"language": language, "name": "any"}}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def read(text: str) -> Extraction:
    return extract_notebook(SourceFile("lab/a.ipynb", text, "jupyter", b"", len(text), 0))


def symbols(*cells: dict[str, object], language: str = "python") -> list[Symbol]:
    extraction = read(json.dumps(notebook(*cells, language=language), indent=1))
    assert not extraction.note
    return list(extraction.symbols)


def rows(found: list[Symbol]) -> list[str]:
    return [f"{one.parent} {one.kind} {one.name} [{one.container}]" for one in found]


def source_at(text: str, span: Span) -> str:
    """Give what stands at a span of a JSON text, its escapes undone. Strings that follow each other are one text."""
    lines = text.splitlines(keepends=True)
    inside = lines[span.start_line : span.end_line + 1]
    inside[-1] = inside[-1][: span.end_column]
    inside[0] = inside[0][span.start_column :]
    return "".join(json.loads(f'["{"".join(inside)}"]'))


def test_cells_functions_and_sections():
    found = symbols(
        markdown("# Digits\n\nReads numbers from pictures."),
        code(TRAINING),
        markdown("## Results\nGood.\n\n### Errors\nFew."),
        markdown("Only words here."),
        code("plot(net)\n"),
        markdown("# The end"),
    )
    assert rows(found) == [
        "-1 file a.ipynb []",
        "0 section Digits []",
        '0 cell Train the "model" 😀 [Digits]',
        "2 class Net [Digits]",
        "3 method forward [Digits.Net]",
        "2 test test_net [Digits]",
        "0 section Results [Digits]",
        "0 section Errors [Digits.Results]",
        "0 cell Only words here. [Results.Errors]",
        "0 cell plot(net) [Results.Errors]",
        "0 section The end []",
    ]
    file, digits, cell, net = found[:4]
    assert file.doc == "# Digits\n\nReads numbers from pictures."
    assert file.members == tuple(one.name for one in found if one.parent == 0)
    assert digits.body == "Reads numbers from pictures."
    assert (cell.doc, cell.members) == ('Train the "model" 😀', ("Net", "test_net"))
    assert cell.body == "import torch\n%matplotlib inline\nRATE = 0.1"
    assert (net.signature, net.doc) == ("class Net(torch.nn.Module)", r"Two layers\deep.")


@pytest.mark.parametrize("ascii_only", ["ascii", "utf-8"])
@pytest.mark.parametrize("form", ["indented", "one line", "CRLF"])
@pytest.mark.parametrize("parts", ["lines", "one string", "pieces"])
def test_spans_are_places_in_the_file(ascii_only, form, parts):
    chance = random.Random(parts)
    pieces = {"lines": TRAINING.splitlines(keepends=True), "one string": TRAINING}
    cuts = [0, *sorted(chance.choices(range(len(TRAINING)), k=9)), len(TRAINING)]
    pieces["pieces"] = [TRAINING[start:end] for start, end in pairwise(cuts)]
    cell = {**code(""), "source": pieces[parts]}
    indent = None if form == "one line" else 1
    text = json.dumps(notebook(markdown("# Ä"), cell), indent=indent, ensure_ascii=ascii_only == "ascii")
    found = read(text.replace("\n", "\r\n") if form == "CRLF" else text).symbols
    assert len(found) == 6
    for symbol in found[1:]:
        whole = source_at(text, symbol.span)
        assert " ".join(source_at(text, symbol.name_span).split()) == symbol.name
        if symbol.kind in ("class", "method", "test"):
            lines = TRAINING.splitlines()
            starts = {"Net": ("class Net", "über"), "forward": ("def forward", "über"), "test_net": ("@", "Net()")}
            start, end = starts[symbol.name]
            assert whole.startswith(start)
            assert whole.endswith(end)
            assert whole in TRAINING, lines
        on_lines = {line for span in (symbol.span, symbol.name_span) for line in (span.start_line, span.end_line)}
        assert symbol.ascii == all(text.splitlines()[line].isascii() for line in on_lines)


def test_a_symbol_stands_on_the_line_of_its_json_string():
    text = json.dumps(notebook(code("x = 1\ndef run():\n    pass\n")), indent=1)
    run = read(text).symbols[2]
    lines = text.splitlines()
    assert run.name == "run"
    assert lines[run.span.start_line].lstrip().startswith('"def run')
    assert lines[run.span.end_line].strip() == '"    pass\\n"'
    assert lines[run.name_span.start_line][run.name_span.start_column : run.name_span.end_column] == "run"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import os\nfrom a import b\n\n# Load the data\nload()", "Load the data"),
        ("%matplotlib inline\n!pip install x\nimport os", "%matplotlib inline"),
        ("()\n---\n{}", "cell 1"),
        ("\n\n   train(net)\n", "train(net)"),
        ("x = '" + "long " * 40, "x = '" + "long " * 10 + "long"),
    ],
)
def test_a_code_cell_is_named_by_its_first_line_that_says_something(text, name):
    assert symbols(code(text))[1].name == name


def test_headings_in_code_are_none_and_underlined_ones_are():
    found = symbols(markdown("Intro\n\nTitle\n=====\n```sh\n# comment\n```\n## Part ##\ntext\n"))
    assert rows(found[1:]) == ["0 cell Intro []", "0 section Title []", "0 section Part [Title]"]
    assert "# comment" in found[2].body


def test_languages_of_kernel_cell_and_magic():
    julia = "function area(x)\n    x\nend\n"
    assert rows(symbols(code(julia), language="julia"))[2] == "1 function area []"
    found = symbols(
        code("%%bash\nbuild() {\n  make\n}\n"),
        code("%%time\ndef slow():\n    pass\n"),
        code("CREATE TABLE users (id int);", metadata={"vscode": {"languageId": "sql"}}),
        code("int x;"),
    )
    assert [one.name for one in found if one.kind in ("function", "table")] == ["build", "slow", "users"]
    assert [one.kind for one in symbols(code("void f() {}"), language="unheard of")] == ["file", "cell"]


def test_version_3_of_the_format():
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Old"]},
        {"cell_type": "code", "input": ["def run():\n", "    pass"], "outputs": [], "language": "python"},
        {"cell_type": "raw", "source": "raw text"},
    ]
    text = json.dumps({"metadata": {}, "nbformat": 3, "worksheets": [{"cells": cells, "metadata": {}}]}, indent=1)
    assert rows(list(read(text).symbols)) == [
        "-1 file a.ipynb []",
        "0 section Old []",
        "0 cell def run(): [Old]",
        "2 function run [Old]",
        "0 cell raw text [Old]",
    ]


def test_outputs_are_not_read():
    picture = {"output_type": "display_data", "data": {"image/png": "iVBOR" * 100_000, "text/plain": ["def no(): 1"]}}
    found = symbols(code("show(picture)", outputs=[picture]), code("done()"))
    assert rows(found[1:]) == ["0 cell show(picture) []", "0 cell done() []"]
    assert "iVBOR" not in repr(found)


def test_halves_of_surrogate_pairs_do_not_break_anything():
    text = json.dumps(notebook(code("x = '\ud800'\ndef run():\n    return '\udfff\U0001f600'\n"), markdown("# \ud83d")))
    found = read(text).symbols
    assert [one.name for one in found[1:]] == ["x = '?'", "run", "?"]
    for symbol in found:
        repr(symbol).encode()
    assert source_at(text, found[2].span) == "def run():\n    return '\udfff\U0001f600'"
    assert source_at(text, found[2].name_span) == "run"


@pytest.mark.parametrize(
    "text",
    [
        *("", "   \n", "[]", "null", '"cells"', "{}", '{"cells"', '{"cells": {}}', '{"cells": [1]}', '{"cells": [{}'),
        *('{"cells": [{"source": ["a" "b"]}]}', '{"metadata": ' + "[" * 100_000, "<<<<<<< HEAD\n{\n=======\n}\n"),
        json.dumps(notebook(code(TRAINING)), indent=1)[:-40],
    ],
)
def test_what_is_no_notebook_becomes_plain_blocks(text):
    extraction = read(text)
    assert extraction.note.startswith("not a notebook")
    assert {symbol.kind for symbol in extraction.symbols} <= {"file", "block"}
    assert extraction.symbols[0].kind == "file"


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [{}],
        [{"cell_type": "code"}],
        [{"cell_type": "code", "source": None}, {"cell_type": 7, "source": [1, None, ""]}],
        [{"cell_type": "markdown", "source": ["", "\n", " "]}],
        [{"metadata": [], "source": "", "cell_type": "code"}],
    ],
)
def test_cells_without_text_are_left_out(cells):
    extraction = read(json.dumps({"cells": cells, "metadata": None}))
    assert [symbol.kind for symbol in extraction.symbols] == ["file"]
    assert not extraction.note


def test_every_prefix_can_be_read():
    text = json.dumps(notebook(markdown("# A"), code(TRAINING)), indent=1)
    for end in range(0, len(text), 37):
        assert read(text[:end]).symbols[0].kind == "file"
