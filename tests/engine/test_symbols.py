"""Symbols: each language's sample, documentation, positions, blocks, broken and hostile files."""

import dataclasses
import random
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from symbol_cases import CASES

from lsp_server.engine.files import SourceFile
from lsp_server.engine.languages import LANGUAGES
from lsp_server.engine.macros import blank_macros
from lsp_server.engine.symbols import BODY_LIMIT, KINDS, SIGNATURE_LIMIT, Extraction, Span, Symbol, extract
from lsp_server.engine.syntax import NoGrammar, read_syntax

LINE_END = re.compile(r"\r\n|\n|\r")


def symbols_of(language, text, path="pkg/sample"):
    return extract(SourceFile(path, text, language, b"", 0, 0)).symbols


def find(symbols, name) -> Symbol:
    return next(symbol for symbol in symbols if symbol.name == name)


def outline(symbols):
    return "\n".join(
        f"{s.kind} {s.container}|{s.name} {s.span.start_line}-{s.span.end_line}" for s in symbols if s.parent >= 0
    )


@pytest.mark.parametrize("language", sorted(CASES))
def test_the_sample_of_a_language(language):
    source, expected = CASES[language]
    assert outline(symbols_of(language, source)) == expected


# -- what a symbol says about itself --------------------------------------------------------------


def test_python_decorators_docstring_and_body():
    symbols = symbols_of(
        "python",
        '# Before.\n@cache\ndef f(a,\n      b=1) -> int:\n    """Add.\n\n    Both.\n    """\n    return a + b\n',
    )
    f = find(symbols, "f")
    assert f.span == Span(0, 0, 8, 16)
    assert f.name_span == Span(2, 4, 2, 5)
    assert f.signature == "def f(a, b=1) -> int"
    assert f.doc == "Before.\n\nAdd.\n\nBoth."
    assert f.body == "@cache\nreturn a + b"


def test_a_class_lists_its_members_and_keeps_only_the_rest():
    a = find(symbols_of("python", "class A:\n    x = 1\n\n    def f(self):\n        return 2\n\n    y = 3\n"), "A")
    assert (a.members, a.body) == (("f",), "x = 1\ny = 3")


def test_a_nested_function_is_cut_from_the_outer_body_only_if_it_is_a_unit():
    lines = "".join(f"        x{i} = {i}\n" for i in range(7))
    outer = find(
        symbols_of("python", f"def outer():\n    def short():\n        pass\n    def long():\n{lines}    return 1\n"),
        "outer",
    )
    assert outer.members == ("long",)
    assert "short" in outer.body and "x3" not in outer.body and "return 1" in outer.body


def test_a_signature_ends_at_the_body_and_at_300_characters():
    text = "function f(" + ", ".join(f"argument{i}" for i in range(60)) + ") {\n  return 1;\n}\n"
    f = find(symbols_of("javascript", text), "f")
    assert f.signature.startswith("function f(argument0, argument1")
    assert len(f.signature) <= SIGNATURE_LIMIT


def test_the_doc_comment_of_express_stands_a_blank_line_away():
    symbols = symbols_of(
        "javascript", "var x = 1;\n\n/**\n * Starts.\n *\n * @public\n */\n\napp.start = function () {\n};\n"
    )
    start = find(symbols, "start")
    assert (start.doc, start.span.start_line, start.container, start.kind) == ("Starts.\n\n@public", 2, "app", "method")


def test_a_comment_behind_code_is_not_the_doc_of_the_next_line():
    assert find(symbols_of("go", "package a\n\nvar x int // about x\nfunc f() {}\n"), "f").doc == ""


@pytest.mark.parametrize(
    ("language", "comment"),
    [
        ("rust", "/// Adds.\n/// Twice."),
        ("java", "/**\n * Adds.\n * Twice.\n */"),
        ("c", "/* Adds.\n   Twice. */"),
        ("go", "// Adds.\n// Twice."),
        ("haskell", "-- | Adds.\n-- Twice."),
        ("php", "/**\n * Adds.\n * Twice.\n */"),
    ],
)
def test_comment_marks_are_taken_off(language, comment):
    code = {
        "rust": "fn add() {}",
        "java": "class add {}",
        "c": "int add(void) { return 1; }",
        "go": "func add() {}",
        "haskell": "add :: Int\nadd = 1",
        "php": "function add() {}",
    }[language]
    before = "<?php\n\n$x = 1;\n\n" if language == "php" else ""
    assert find(symbols_of(language, f"{before}{comment}\n{code}\n"), "add").doc.split() == ["Adds.", "Twice."]


def test_a_licence_is_nobodys_doc():
    symbols = symbols_of(
        "python", "# Copyright 2020 Somebody.\n# All rights reserved, and more words here.\ndef f():\n    pass\n"
    )
    assert find(symbols, "f").doc == ""
    assert symbols[0].doc == ""


def test_typescript_overloads_are_one_function():
    symbols = symbols_of(
        "typescript", "function f(a: string): void;\nfunction f(a: number): void;\nfunction f(a: any) {}\n"
    )
    assert [(s.name, s.span.end_line) for s in symbols[1:]] == [("f", 2)]


def test_a_typedef_and_its_struct_are_one_thing():
    symbols = symbols_of("c", "/* A stream. */\ntypedef struct stream_s {\n  int fd;\n} stream_t;\n")
    assert [(s.kind, s.name, s.doc) for s in symbols[1:]] == [("struct", "stream_t", "A stream.")]
    assert symbols[1].signature == "typedef struct stream_s stream_t"


def test_a_table_of_constants_is_a_block():
    short = "".join(f"A{i} = {i}\n" for i in range(5))
    long = "".join(f"A{i} = {i}\n" for i in range(30))
    assert [s.kind for s in symbols_of("python", short)[1:]] == ["constant"] * 5
    assert [s.kind for s in symbols_of("python", long)[1:]] == ["block"]


# -- the file unit and blocks ---------------------------------------------------------------------


def test_the_file_unit():
    text = '"""Greets people."""\n\nimport os\nfrom sys import (\n    argv,\n)\n\nprint(1)\n\n\ndef f():\n    pass\n'
    file = symbols_of("python", text, "a/b/greet.py")[0]
    assert (file.kind, file.name, file.doc, file.members) == ("file", "greet.py", "Greets people.", ("f",))
    assert file.span == Span(0, 0, 0, 20)
    assert file.body == "import os\nfrom sys import (\nargv,\nprint(1)"


def test_the_leading_comment_may_follow_a_shebang_and_an_include_guard():
    assert symbols_of("python", "#!/usr/bin/python\n# -*- x -*-\n\n# Tells time.\n\nx()\n")[0].doc.endswith(
        "Tells time."
    )
    guarded = "#ifndef A_H\n#define A_H\n\n/* Keeps queues. */\n\n#include <a.h>\n\nint f(void);\n\n#endif\n"
    assert symbols_of("cpp", guarded)[0].doc == "Keeps queues."


def test_uncovered_lines_are_blocks():
    text = "def f():\n    pass\n\nfor i in a:\n    b()\n    c()\n\n\ndef g():\n    pass\n"
    block = symbols_of("python", text)[2]
    assert (block.kind, block.name, block.span.start_line, block.span.end_line) == ("block", "for i in a:", 3, 5)


def test_lines_of_a_namespace_are_blocks_in_it():
    symbols = symbols_of("cpp", "namespace a {\nint f() { return 1; }\n\nREGISTER(x);\nREGISTER(y);\nREGISTER(z);\n}\n")
    assert [(s.kind, s.name, s.parent) for s in symbols[1:]] == [
        ("namespace", "a", 0),
        ("function", "f", 1),
        ("block", "REGISTER(x);", 1),
    ]


def test_plain_text_is_cut_at_blank_lines():
    text = "\n\n".join("\n".join(f"line {i} of part {part}" for i in range(18)) for part in range(10))
    blocks = symbols_of("plaintext", text)[1:]
    assert {block.kind for block in blocks} == {"block"}
    assert all(block.span.end_line - block.span.start_line < 60 for block in blocks)
    assert all(block.name.startswith("line 0 of part") for block in blocks)
    assert "\n".join(block.body for block in blocks).count("line ") == 180


def test_a_file_without_anything():
    for text in ("", "\n", " \n\t\n"):
        (file,) = symbols_of("python", text)
        assert (file.kind, file.members, file.body) == ("file", (), "")


def test_a_megabyte_in_one_line_is_one_block():
    symbols = symbols_of("plaintext", "word " * 200_000)
    assert [s.kind for s in symbols] == ["file", "block"]
    assert len(symbols[1].body) <= BODY_LIMIT


# -- positions ------------------------------------------------------------------------------------


def test_columns_are_code_points():
    symbols = symbols_of("javascript", "/* 😀é */ const naïve = () => {\n  return '😀'; };\n")
    naive = find(symbols, "naïve")
    assert naive.name_span == Span(0, 15, 0, 20)
    assert naive.span.end_line == 1
    assert not naive.ascii


def test_ascii_is_told_per_line():
    symbols = symbols_of("python", "def f():\n    return 'é'\n\n\ndef g():\n    x = 'é'\n    return x\n")
    assert [s.ascii for s in symbols[1:]] == [False, True]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_breaks_of_all_systems(newline):
    text = newline.join(["x = 1", "class A:", "    def f(self):", "        pass", ""])
    assert [(s.name, s.span.start_line, s.span.end_line) for s in symbols_of("go", "\n")[1:]] == []
    lines = {s.name: s.span.start_line for s in symbols_of("python", text)[1:]}
    if newline == "\r":  # the grammar knows no lone carriage return; our lines do
        assert symbols_of("python", text)[0].span.start_line == 0
    else:
        assert (lines["A"], lines["f"]) == (1, 2)


def test_form_feeds_and_line_separators_are_no_line_breaks():
    symbols = symbols_of("python", "x = '\u2028\x85'\n\x0c\ndef f():\n    pass\n")
    assert find(symbols, "f").span == Span(2, 0, 3, 8)


# -- macros ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        ("EXPORT_API class Store {\n};", "class", "Store"),
        ('template <class T> class VISIBILITY("default") Store : Base {\n};', "class", "Store"),
        ("class LIB_EXPORT Store final {\n};", "class", "Store"),
        ("struct ALIGNED(16) Store {\n  int x;\n};", "struct", "Store"),
        ("UV_EXTERN int uv_run(uv_loop_t* loop);", "function", "uv_run"),
        ("LIB_API DEPRECATED(1) const char* name(void);", "function", "name"),
        ("NAMESPACE_BEGIN\nclass Store {\n};\nNAMESPACE_END", "class", "Store"),
        ("int WINAPI start(int a) {\n  return 1;\n}", "function", "start"),
        ("static int __init start(void) {\n  return 1;\n}", "function", "start"),
        ("void stop() NOTHROW {\n}", "function", "stop"),
        ("template <typename T, ENABLE_IF(is_int<T>::value)>\nvoid stop(T t) {\n}", "function", "stop"),
        (
            "struct Store {\n  HANDLE_FIELDS\n  int x;\n  PRIVATE_FIELDS\n};\nint after(void) { return 1; }",
            "function",
            "after",
        ),
    ],
)
def test_a_macro_does_not_hide_a_name(code, kind, name):
    symbols = symbols_of("cpp", f"int before(void) {{ return 1; }}\n\n{code}\n")
    assert (find(symbols, name).kind, find(symbols, "before").kind) == (kind, "function")


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("go", "package p\n\nconst Most = 3\n\nconst (\n\tBig = iota\n\tsmall\n)\n", ["Most", "Big"]),
        ("php", "<?php\nclass A\n{\n    const X = 1;\n    public const Most = 2;\n}\n", ["X", "Most"]),
        ("julia", "const speed = 3.0\nconst most::Int = 2\nother = 4\n", ["speed", "most"]),
        ("scala", "object O {\n  val Most = 2\n  val least = 1\n}\n", ["Most"]),
        (
            "cpp",
            "constexpr int kMost = 3;\nnamespace a {\nconst int Least = 3;\nconst int other = 3;\n}\n"
            "class B {\n  static constexpr int kBig{3};\n  int kNone = 3;\n};\n"
            "void f() {\n  constexpr int kLocal = 3;\n}\n",
            ["kMost", "Least", "kBig"],
        ),
    ],
)
def test_constants_are_found_that_no_capitals_tell(language, text, expected):
    assert [s.name for s in symbols_of(language, text) if s.kind in ("constant", "variable")] == expected


@pytest.mark.parametrize("language", ["c", "cpp"])
@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("GLOBAL(void)\nstart(j_compress_ptr c)\n{\n  work(c);\n}", "start"),
        ("METHODDEF(boolean)\nempty(c)\n{\n  return TRUE;\n}", "empty"),
        ("  FT_EXPORT_DEF( FT_Error )\n  FT_Init( FT_Library  *a )\n  {\n    return 0;\n  }", "FT_Init"),
        ("FOO_API(int) foo_open(const char *p)\n{\n  return open(p);\n}", "foo_open"),
        ("FOO_API(int) foo_open(const char *p);", "foo_open"),
        ("EXTERN(struct jpeg_error_mgr *) jpeg_std_error(struct jpeg_error_mgr *err);", "jpeg_std_error"),
        ("FT_EXPORT( void )\nFT_Done( FT_Library  library );", "FT_Done"),
        ("PyAPI_FUNC(PyObject *) PyList_New(Py_ssize_t size);", "PyList_New"),
        ("#define A(x) \\\n  (x)\nEXTERN(long) round_up(long a);", "round_up"),
        ("ZEXTERN int ZEXPORT inflate OF((z_streamp strm, int flush));", "inflate"),
        ("LUALIB_API void (luaL_open) (lua_State *L) {\n  open(L);\n}", "luaL_open"),
        ("LUA_API const char *(lua_name) (lua_State *L);", "lua_name"),
    ],
)
def test_a_function_whose_type_stands_in_a_macro(language, code, name):
    remarks = "/* " + "A long remark. " * 100 + "*/\n"
    symbols = symbols_of(language, f"int before(void);\n\n{remarks}{code}\n\nint after(void) {{ return 1; }}\n")
    assert [(s.kind, s.name) for s in symbols[1:] if s.kind not in ("macro", "block")] == [
        ("function", "before"),
        ("function", name),
        ("function", "after"),
    ]
    assert "A long remark." in find(symbols, name).doc or "#define" in code


@pytest.mark.parametrize(
    "code",
    [
        'MODULE_LICENSE("GPL")\nmodule_init(start);',
        "MODULE_AUTHOR(me)\nmodule_init(start);",
        "class A {\n  Q_DISABLE_COPY(A)\n  A(int x);\n};",
        "void f(int x) {\n  CHECK(x)\n  while (x) {\n  }\n}",
        "int g = f(MAX(a) b(int x));",
        "return LIMIT(x) (y);",
    ],
)
def test_macros_that_hold_no_type(code):
    assert b"int  " not in blank_macros(code.encode()).text


def test_the_span_begins_at_the_macro():
    symbols = symbols_of("cpp", "// Runs it.\nUV_EXTERN int uv_run(int a);\n")
    run = find(symbols, "uv_run")
    assert (run.span, run.doc) == (Span(0, 0, 1, 28), "Runs it.")


@pytest.mark.parametrize(
    "code",
    [
        "enum color { RED, GREEN,\n  BLUE\n};",
        "enum color {\n  RED = 1,\n  GREEN\n};",
        "int x = FLAG_A |\n  FLAG_B;",
        "BOOL found(int a) {\n  return TRUE;\n}",
        "FILE *f = open(PATH);",
        "struct TIMEVAL tv = {0};",
        "int a[] = {\n  FIRST,\n  LAST\n};",
        "DWORD count(void);",
    ],
)
def test_constants_and_types_are_no_macros(code):
    assert blank_macros(code.encode()).text == code.encode()


def test_documented_members_of_a_class_are_found_without_their_bodies():
    members = "  /// Reads.\n  virtual int read() = 0;\n  /// Makes.\n  explicit A(int x);\n  int plain();\n"
    text = "class A {\n" + members + "};\n"
    symbols = symbols_of("cpp", text)
    assert [(s.kind, s.name, s.doc) for s in symbols[2:]] == [
        ("method", "read", "Reads."),
        ("constructor", "A", "Makes."),
    ]
    assert "plain" in symbols[1].body


def test_a_header_that_c_and_cpp_share():
    opening, closing = '#ifdef __cplusplus\nextern "C" {\n#endif\n', "#ifdef __cplusplus\n}\n#endif\n"
    text = opening + "LIB_API int f(int a);\nstruct s { int x; };\n" + closing
    assert [s.name for s in symbols_of("cpp", text)[1:]] == ["f", "s"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", 'def old():\n    """Does it."""\n    return 1\ndef second():\n    return 2\n'),
        ("python", "# A comment.\ndef first(a):\n    return a\n\n\nclass B:\n    def m(self):\n        pass\n"),
        ("c", "// Doubles.\nint f(int a)\n{\n  return 2 * a;\n}\n#define SIZE 3\nint g(void);\n"),
        ("markdown", "# One\n\ntext\n\n## Two\n\nmore text\n"),
        ("yaml", "a:\n  b: 1\n  c: 2\nd: 3\n"),
    ],
)
def test_lines_may_end_in_a_carriage_return_alone(language, text):
    assert symbols_of(language, text.replace("\n", "\r")) == symbols_of(language, text)
    mixed = text.replace("\n", "\r", 2)
    assert symbols_of(language, mixed) == symbols_of(language, text)


# -- broken, hostile, unknown ---------------------------------------------------------------------


def test_broken_code_gives_what_could_be_parsed():
    symbols = symbols_of(
        "python", "def good():\n    return 1\n\ndef bad(:\n    x = (\n\nclass Later:\n    def m(self):\n        pass\n"
    )
    assert "good" in {s.name for s in symbols}


def test_a_language_without_a_grammar_is_read_as_text():
    row = dataclasses.replace(LANGUAGES["python"], grammar="tree_sitter_nothing:language")
    with pytest.raises(NoGrammar):
        read_syntax(b"def f(): pass", row)
    assert extract(SourceFile("a.xyz", "one\ntwo\nthree\n", "no-such-language", b"", 0, 0)).symbols[1].kind == "block"


HOSTILE = {
    "open brackets": "(" * 100_000,
    "closed brackets": "[" * 50_000 + "]" * 50_000,
    "open braces": "{" * 100_000,
    "nested functions": "function a(){" * 10_000,
    "nested methods": "class A { m() {\n" * 8_000 + "}}\n" * 8_000,
    "nested classes": "".join(" " * depth + "class A:\n" for depth in range(300)),
    "noise": "".join(random.Random(1).choices("abc(){}[]<>=;:,.\"'\n \\/*#", k=200_000)),
    "random bytes": random.Random(2).randbytes(500_000).decode("utf-8", "replace"),
    "one line": "x" * 1_000_000,
    "capitals": "ABC_DEF(" * 30_000,
    "no ascii": "é" * 200_000,
}


@pytest.mark.parametrize("language", ["python", "javascript", "cpp", "rust"])
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_text_is_survived_in_bounded_time(name, language):
    before = time.thread_time()
    found = extract(SourceFile("a", HOSTILE[name], language, b"", 0, 0))
    assert time.thread_time() - before < 6  # seconds of CPU: 1.5 for tree-sitter, the rest is slack for slow machines
    assert found.symbols[0].kind == "file"


def test_what_is_cut_off_is_said_and_found_as_blocks():
    found = extract(SourceFile("a.js", "one line\n" * 5 + "(" * 100_000, "javascript", b"", 0, 0))
    assert found.note.startswith("cut off")
    assert [s.kind for s in found.symbols] == ["file", "block"]


# -- what holds for every text --------------------------------------------------------------------


def check(language: str, text: str) -> Extraction:
    """Everything that the engine relies on."""
    found = extract(SourceFile("a/b", text, language, b"", 0, 0))
    lines = LINE_END.split(text)

    def at(line: int, column: int) -> tuple[int, int]:
        assert 0 <= line < len(lines)
        assert 0 <= column <= len(lines[line])
        return line, column

    def ends(span: Span) -> tuple[tuple[int, int], tuple[int, int]]:
        start, end = at(span.start_line, span.start_column), at(span.end_line, span.end_column)
        assert start <= end
        return start, end

    covered = set()
    for position, symbol in enumerate(found.symbols):
        start, end = ends(symbol.span)
        name_start, name_end = ends(symbol.name_span)
        assert symbol.kind in KINDS
        assert len(symbol.signature) <= SIGNATURE_LIMIT
        assert len(symbol.body) <= BODY_LIMIT
        if position == 0:
            assert (symbol.kind, symbol.parent) == ("file", -1)
            continue
        assert 0 <= symbol.parent < position
        assert symbol.name.strip()
        assert start <= name_start and name_end <= end
        if symbol.parent > 0:
            outer_start, outer_end = ends(found.symbols[symbol.parent].span)
            assert outer_start <= start and end <= outer_end
        if name_start[0] == name_end[0] and symbol.name.isidentifier():
            assert lines[name_start[0]][name_start[1] : name_end[1]] == symbol.name
        covered.update(range(start[0], end[0] + 1))
    file_words = {*found.symbols[0].body.split(), *found.symbols[0].doc.split()}
    for number, line in enumerate(lines):
        if number not in covered and len(found.symbols[0].body) < 1_000:
            assert not re.search(r"\w", line) or file_words & set(line.split()) or is_notice(line), line
    return found


def is_notice(line: str) -> bool:
    return re.search(r"[#*/-]", line) is not None


@pytest.mark.parametrize("language", sorted(CASES))
def test_the_samples_keep_the_rules(language):
    check(language, CASES[language][0])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(CASES)), st.data())
def test_mutated_sources_keep_the_rules(language, data):
    text = CASES[language][0]
    for _ in range(data.draw(st.integers(1, 4))):
        first, second = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
        insert = data.draw(
            st.sampled_from(["", "(", "}", '"""', "\r", "é😀", "/*", "\n\n", "'", "#", "\x0c", "\u2028"])
        )
        keep = data.draw(st.sampled_from(["cut", "insert", "truncate"]))
        text = {
            "cut": text[:first] + text[min(second, first + 20) :],
            "insert": text[:first] + insert + text[first:],
            "truncate": text[:second],
        }[keep]
    check(language, text)
