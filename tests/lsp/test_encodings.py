"""Ranges are right in every encoding, whatever stands in the file, saved or open."""

import pytest

from .editor import CAPABILITIES, editor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

# A form feed and U+2028 do not end a line; the function's line and name are not ASCII; lines end in CR LF, CR and LF.
SOURCE = (
    '"""Fün\f with\u2028text 😀."""\r\n'
    "\r"
    "def größe_ß(breite, höhe):  # 😀\n"
    '    """Computes the area of a rectangle 😀."""\r\n'
    "    return '😀', breite * höhe\n"
    "x = '😀'; label = 'größe'; area = lambda w: '😀'\n"
)
NAME = "größe_ß"
WIDTHS = {
    "utf-8": lambda text: len(text.encode()),
    "utf-16": lambda text: len(text.encode("utf-16-le")) // 2,
    "utf-32": len,
}


def lines_of(text):
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def slice_of(text, range_, width):
    """Cut a range out of a text by counting, character by character."""
    lines = lines_of(text)

    def offset(position):
        line = lines[position["line"]]
        column = next(i for i in range(len(line) + 1) if width(line[:i]) == position["character"])
        return sum(len(line) + 1 for line in lines[: position["line"]]) + column

    return "\n".join(lines)[offset(range_["start"]) : offset(range_["end"])]


@pytest.fixture(params=sorted(WIDTHS))
def encoding(request):
    return request.param


async def test_ranges_count_as_the_client_counts(tmp_path, encoding):
    root = tmp_path / "root"
    root.mkdir()
    (root / "ä.py").write_bytes(SOURCE.encode())
    capabilities = CAPABILITIES | {"general": {"positionEncodings": [encoding, "utf-16"]}}
    async with editor(tmp_path / "cache") as client:
        result = await client.initialize(root, capabilities=capabilities)
        assert result["capabilities"]["positionEncoding"] == encoding
        await client.ready()

        async def found(text):
            (row,) = (await client.search("area of a rectangle", kinds=[12], limit=1))["symbols"]
            whole = slice_of(text, row["location"]["range"], WIDTHS[encoding])
            assert row["name"] == NAME
            assert slice_of(text, row["selectionRange"], WIDTHS[encoding]) == NAME
            assert whole.startswith("def größe_ß(")
            assert whole.endswith("breite * höhe")
            (symbol,) = await client.request("workspace/symbol", {"query": NAME})
            assert symbol["location"] == {"uri": row["location"]["uri"], "range": row["selectionRange"]}
            return row

        on_disk = await found(SOURCE)
        client.open(root / "ä.py")
        assert (await found(SOURCE))["location"]["range"] == on_disk["location"]["range"]

        # A selection that ends where the file does, and one far behind it, are understood.
        uri = {"uri": (root / "ä.py").as_uri()}
        for end in ({"line": 5, "character": 9}, {"line": 900, "character": 900}):
            ask = {"textDocument": uri, "range": {"start": {"line": 3, "character": 0}, "end": end}}
            assert "symbols" in await client.request("workspace/similarSymbol", ask)


async def test_a_client_that_names_no_encoding_counts_utf16(tmp_path):
    async with editor(tmp_path / "cache") as client:
        assert (await client.initialize(capabilities={}))["capabilities"]["positionEncoding"] == "utf-16"


async def test_rows_of_an_open_file_stay_inside_its_text(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.py").write_text("def first():\n    pass\n\n\ndef last_function():\n    return 'long line here'\n")
    async with editor(tmp_path / "cache") as client:
        await client.initialize(root)
        await client.ready()
        client.open(root / "a.py", "def first():\n    pass\n")
        (row,) = await client.request("workspace/symbol", {"query": "last_function"})
        assert row["location"]["range"] == {"start": {"line": 2, "character": 0}, "end": {"line": 2, "character": 0}}
