"""Symbols of shell, C#, CSS, Dart, Elixir, HTML, JSON, Kotlin, Lua, Markdown, OCaml, Ruby: a source and its outline.

An outline has a line per symbol: first and last line (1-based), kind, name, container. The file unit is left out.
"""

import pytest

from lsp_server.engine.files import SourceFile
from lsp_server.engine.languages import LANGUAGES
from lsp_server.engine.symbols import KINDS, Symbol, extract

SOURCES: dict[str, str] = {}
OUTLINES: dict[str, str] = {}

SOURCES["shellscript"] = """\
#!/usr/bin/env bash
# Copies the database every night.
set -euo pipefail
source ./lib.sh

# How often it tries.
max_tries=3
export BACKUP_DIR="/var/backups"
export PATH="$PATH:/opt/bin"
readonly VERSION="1.2"
lower=1
declare -A COLORS=(
  [red]=1
)

# Prints a message.
#  $1 the message
die() {
  echo "😀 $1" >&2
  inner() { :; }
}
function copy_all {
  local x=1
}
@test "adds two numbers" {
  run add 1 2
}
test_expect_success 'reads an empty file' '
  read_it empty
'
"""
OUTLINES["shellscript"] = """\
6-7 variable max_tries
8-8 variable BACKUP_DIR
10-10 constant VERSION
12-14 variable COLORS
16-21 function die
22-24 function copy_all
25-25 test adds two numbers
28-30 test reads an empty file
"""

SOURCES["csharp"] = """\
// Copyright (c) 2020 Somebody. All rights reserved.
using System;
[assembly: InternalsVisibleTo("Tests")]
namespace Acme.Tools;

/// <summary>Reads 😀 things.</summary>
[Serializable]
public sealed class Reader<T> : Base, IReader where T : class
{
    /// <summary>The most.</summary>
    public const int MaxSize = 10;
    private static readonly Dictionary<string, int> _map = new()
    {
        ["a"] = 1,
    };
    private int _x;
    public int Count => _x;
    /// <summary>The name.</summary>
    public string Name { get; set; } = "";
    public Reader(int x) : base(x) { _x = x; }
    ~Reader() { }
    public int this[int i]
    {
        get { return i; }
    }
    public static Reader<T> operator +(Reader<T> a, Reader<T> b) => a;
    [Obsolete("old")]
    public async Task<int> ReadAsync<U>(string path,
        CancellationToken token = default)
    {
        return 1;
    }
    public delegate void Moved(int x);
    enum Color { Red, Green }
}
public record Point(int X, int Y);
public record struct Size(int W);
public interface IReader { void Close(); }
public class ReaderTests
{
    [Theory, InlineData(1)]
    public void Parses_many(int n) { }
}
"""
OUTLINES["csharp"] = """\
6-35 class Reader in Acme.Tools
10-11 constant MaxSize in Acme.Tools.Reader
12-15 constant _map in Acme.Tools.Reader
18-19 property Name in Acme.Tools.Reader
20-20 constructor Reader in Acme.Tools.Reader
21-21 method ~Reader in Acme.Tools.Reader
22-25 property this in Acme.Tools.Reader
26-26 method operator + in Acme.Tools.Reader
27-32 method ReadAsync in Acme.Tools.Reader
33-33 type Moved in Acme.Tools.Reader
34-34 enum Color in Acme.Tools.Reader
36-36 class Point in Acme.Tools
37-37 struct Size in Acme.Tools
38-38 interface IReader in Acme.Tools
38-38 method Close in Acme.Tools.IReader
39-43 class ReaderTests in Acme.Tools
41-42 test Parses_many in Acme.Tools.ReaderTests
"""

SOURCES["css"] = """\
@charset "utf-8";
@import url("x.css");

/* The box in the middle: 😀 */
.box > .item:hover,
#main::before {
  color: red;
  background: url(x.png);
}
.hidden {
  display: none;
}
.one { color: red; top: 0 }
/* Only for readers of screens. */
.sr-only {
  width: 1px;
}
@media (max-width: 600px) {
  .box {
    color: blue;
    top: 0;
  }
}
@keyframes spin {
  from { top: 0 }
  to { top: 9px }
}
@-webkit-keyframes spin {
  from { top: 0 }
}
@font-face {
  font-family: "X";
  src: url(x);
}
"""
OUTLINES["css"] = """\
4-9 rule .box > .item:hover, #main::before
10-13 block .hidden {
14-17 rule .sr-only
18-23 rule @media (max-width: 600px)
19-22 rule .box in @media (max-width: 600px)
24-27 rule spin
31-34 rule @font-face
"""

SOURCES["dart"] = """\
/// Reading and writing.
library my.lib;
import 'dart:async';

/// The most.
const int kMax = 10;
final _cache = <String, int>{
  'a': 1,
};
typedef Callback = void Function(int);

/// Reads 😀 things.
@immutable
abstract class Reader<T> extends Base with Log {
  static const DEFAULT_SIZE = 3;
  final String path;
  /// Makes one.
  Reader(this.path, {required int n}) : _n = n {
    print('x');
  }
  const Reader.empty() : path = '';
  factory Reader.of(String p) => ReaderImpl(p);
  /// How many.
  int get size => _n;
  @override
  Future<int> read(String p) async {
    return 1;
  }
  close() => null;
  void flush();
}
mixin Log on Base {}
extension Twice on String {}
enum Color { red, green }
int add(int a, int b) {
  return a + b;
}
void main() {
  test('reads an empty file', () {
    final reader = Reader();
    reader.open();
    reader.read();
    reader.close();
    expect(1, 1);
  });
}
"""
OUTLINES["dart"] = """\
5-6 constant kMax
7-9 constant _cache
10-10 type Callback
12-31 class Reader
15-15 constant DEFAULT_SIZE in Reader
17-20 constructor Reader in Reader
21-21 constructor Reader.empty in Reader
22-22 constructor Reader.of in Reader
23-24 property size in Reader
25-28 method read in Reader
29-29 method close in Reader
30-30 method flush in Reader
32-32 trait Log
33-33 class Twice
34-34 enum Color
35-37 function add
38-46 function main
39-45 test reads an empty file in main
"""

SOURCES["elixir"] = '''\
defmodule Acme.Reader do
  @moduledoc """
  Reads 😀 things.
  """
  use GenServer

  @max_size 10
  @modes [
    :read,
    :write
  ]
  @typedoc "What can be set."
  @type opts :: keyword
  @callback open(path :: String.t()) :: {:ok, term}

  @doc """
  Adds one.
  """
  @spec add(integer, integer) :: integer
  def add(a, b \\\\ 1) when is_integer(a) do
    a + b
  end

  def add(:none, _), do: 1

  # Not for others.
  defp hidden(x), do: x
  defmacro twice(x) do
    quote do: unquote(x)
  end
  defguard is_big(v) when v > 1
  def left <~> right, do: 1
end

defimpl Size, for: BitString do
  @doc "In bytes."
  def size(s), do: byte_size(s)
end

defmodule ReaderTest do
  @tag :slow
  test "reads an empty file", %{path: path} do
    assert path
  end
end
'''
OUTLINES["elixir"] = """\
1-33 module Acme.Reader
8-11 constant modes in Acme.Reader
12-13 type opts in Acme.Reader
14-14 function open in Acme.Reader
16-24 function add in Acme.Reader
26-27 function hidden in Acme.Reader
28-30 macro twice in Acme.Reader
31-31 macro is_big in Acme.Reader
32-32 function <~> in Acme.Reader
35-38 class Size, for: BitString
36-37 method size in Size, for: BitString
40-45 module ReaderTest
41-44 test reads an empty file in ReaderTest
"""

SOURCES["html"] = """\
<!DOCTYPE html>
<html>
<head>
  <title>The reader</title>
  <style>
    .a { color: red }
  </style>
  <script type="module">
    function foo() {}
  </script>
</head>
<body>
  <h1>Reading 😀</h1>
  <h2><a href="#x">#</a> Second</h2>
  <!-- Who are you? -->
  <form id='login' action="/login">
    <input id="user" name="user">
  </form>
  <form action="/search">
    <input name=q>
  </form>
  <section id="intro">
    <h2>Introduction</h2>
    <p>Text</p>
  </section>
  <div id="app">
  </div>
</body>
</html>
"""
OUTLINES["html"] = """\
5-7 element style
8-10 element script
13-13 section Reading 😀
14-14 section Second
15-18 element login
19-21 element /search
22-25 element intro
26-29 block <div id="app">
"""

SOURCES["json"] = """\
{
  "name": "x",
  "version": 1,
  "files": ["a", "b"],
  "scripts": {
    "build": "tsc 😀"
  },
  "contributes": {
    "commands": [
      { "command": "a" }
    ],
    "configuration": {
      "properties": {
        "a": 1
      }
    },
    "small": { "a": 1 }
  },
  "packages": {
    "a": {
      "b": 1
    }
  }
}
"""
OUTLINES["json"] = """\
2-4 block "name": "x",
5-7 key scripts
8-18 key contributes
9-11 key commands in contributes
12-16 key configuration in contributes
19-23 key packages
"""

SOURCES["kotlin"] = """\
package com.acme.tools
import java.util.Date

/** The most. */
const val MAX_SIZE = 10
private val cache = mutableMapOf(
    "a" to 1,
)
typealias Handler = (Int) -> Unit

/**
 * Reads 😀 things.
 */
@Serializable
data class Reader<T>(val path: String) : Base(path), IReader {
    /** Its id. */
    val id: Int by lazy { 1 }
    init {
        println("x")
    }
    constructor(path: String, n: Int) : this(path) {
        println(path)
    }
    companion object {
        const val TAG = "Reader"
        fun make(): Reader<Int> = Reader("a")
    }
    override suspend fun read(
        a: Int,
    ): Result<T> {
        return a
    }
}
fun <T> List<T>.second(): T = this[1]
interface IReader {
    fun close()
}
enum class Color(val rgb: Int) {
    RED(1),
}
object Readers
class ReaderTest {
    @Test
    fun `reads an empty file`() { assertEquals(1, 1) }
}
class Spec : StringSpec({
    "adds numbers" {
        1 shouldBe 1
    }
})
"""
OUTLINES["kotlin"] = """\
4-5 constant MAX_SIZE
6-8 constant cache
9-9 type Handler
11-33 class Reader
16-17 property id in Reader
21-23 constructor constructor in Reader
25-25 constant TAG in Reader
26-26 method make in Reader
28-32 method read in Reader
34-34 method second in List
35-37 interface IReader
36-36 method close in IReader
38-40 enum Color
41-41 object Readers
42-45 class ReaderTest
43-44 test reads an empty file in ReaderTest
46-50 class Spec
47-49 test adds numbers in Spec
"""

SOURCES["lua"] = """\
--- Reading and writing.
-- @module reader
local insert = table.insert
local utils = require("utils")
local M = {}

-- How often it tries.
local max_tries = 3
M.defaults = {
  a = "😀",
}

--[[ Adds.
  Two numbers. ]]
local function add(a, b)
  return a + b
end
function M.sub(a, b)
  return a - b
end
function List:append(x)
  self.x = x
end
M.mul = function(a, b)
  return a * b
end
local handlers = {
  run = function(self)
    return 1
  end,
  stop = function() end,
}
describe("a reader", function()
  assert(true)
end)
return M
"""
OUTLINES["lua"] = """\
7-8 variable max_tries
9-11 field defaults
13-17 function add
18-20 function sub
21-23 method append in List
24-26 function mul
27-32 variable handlers
28-30 function run in handlers
33-35 test a reader
"""

SOURCES["markdown"] = """\
Words before.

# Reader with `code` 😀

Reads things.
And more.

Second paragraph.

## Install

```bash
# not a heading
```

### From source

`make` builds it.

## Usage

Text
===

# Last
"""
OUTLINES["markdown"] = """\
3-23 section Reader with `code` 😀
10-18 section Install in Reader with `code` 😀
16-18 section From source in Reader with `code` 😀.Install
20-23 section Usage in Reader with `code` 😀
22-23 section Text in Reader with `code` 😀.Usage
25-25 section Last
"""

SOURCES["ocaml"] = """\
(** Reading and writing. *)

open Base
module L = List

(** The most. *)
let max_size = 10

let table = [
  1; (* 😀 *)
]

(** Reads.
    @param path where *)
let rec read ?(n = 1) ~path (x : int) : string =
  helper x

and write x = x

let handler = function
  | A -> 1
let ( + ) a b = a
let () = print_endline "x"

type color = Red | Green
type 'a reader = {
  path : string;
}
and other = int
exception Not_found_here of string

module type S = sig
  val add : t -> t
end

module Make (X : S) = struct
  let add a b = X.add a b
end

class point = object
  method move d = d
end
let%test "adds" = add 1 1 = 2
"""
OUTLINES["ocaml"] = """\
6-7 constant max_size
9-11 constant table
13-16 function read
18-18 function write
20-21 function handler
22-22 function ( + )
25-25 type color
26-28 type reader
29-29 type other
30-30 type Not_found_here
32-34 interface S
33-33 method add in S
36-38 module Make
37-37 function add in Make
40-42 class point
41-41 method move in point
43-43 test adds
"""

SOURCES["ocaml.interface"] = """\
(** Reading and writing. *)

type t

(** Adds 😀. *)
val add :
  t -> t

val zero : t
(* The most. *)
val max : t

module M : sig
  val sub : t -> t
end
exception Wrong of int
external now : unit -> int = "c_now"
"""
OUTLINES["ocaml.interface"] = """\
3-3 type t
5-7 function add
10-11 constant max
13-15 module M
14-14 function sub in M
16-16 type Wrong
17-17 function now
"""

SOURCES["ruby"] = """\
# frozen_string_literal: true

require 'set'

# Acme 😀 things.
module Acme
  VERSION = "1.0"
  # Reads.
  class Reader < Base
    include Enumerable
    attr_reader :path
    # How many.
    attr_accessor :size

    def initialize(path, key: 2, &block)
      @path = path
    end
    # Opens one.
    def self.open(path)
      new(path)
    end
    class << self
      def build
        1
      end
    end
    def []=(k, v)
      @h[k] = v
    end
    private def secret
      1
    end
    define_method(:dyn) do |x|
      x
    end
    Point = Struct.new(:x, :y)
    Err = Class.new(StandardError)
  end
end
class A::B < C
end
RSpec.describe Acme::Reader do
  it "reads an empty file" do
    one
    two
    three
    four
    expect(1).to eq 1
  end
end
class ReaderTest < Minitest::Test
  def test_open
    assert true
  end
end
namespace :db do
  desc "Makes the tables"
  task :migrate => :env do
    1
  end
end
"""
OUTLINES["ruby"] = """\
5-39 module Acme
7-7 constant VERSION in Acme
8-38 class Reader in Acme
12-13 property size in Acme.Reader
15-17 constructor initialize in Acme.Reader
18-21 method open in Acme.Reader
23-25 method build in Acme.Reader
27-29 method []= in Acme.Reader
30-32 method secret in Acme.Reader
33-35 method dyn in Acme.Reader
36-36 struct Point in Acme.Reader
37-37 class Err in Acme.Reader
40-41 class B in A
42-50 test Acme::Reader
43-49 test reads an empty file in Acme.Reader
51-55 class ReaderTest
52-54 test test_open in ReaderTest
56-61 namespace db
57-60 function migrate in db
"""

SIGNATURES = [
    ("shellscript", "COLORS", "declare -A COLORS=( [red]=1 )"),
    ("shellscript", "copy_all", "function copy_all"),
    ("csharp", "Reader", "public sealed class Reader<T> : Base, IReader where T : class"),
    ("csharp", "ReadAsync", "public async Task<int> ReadAsync<U>(string path, CancellationToken token = default)"),
    ("csharp", "Name", "public string Name"),
    ("css", "spin", "@keyframes spin"),
    ("dart", "Reader.empty", "const Reader.empty() : path = ''"),
    ("dart", "read", "Future<int> read(String p)"),
    ("dart", "kMax", "const int kMax"),
    ("elixir", "add", "def add(a, b \\\\ 1) when is_integer(a)"),
    ("elixir", "open", "@callback open(path :: String.t()) :: {:ok, term}"),
    ("html", "login", "<form id='login' action=\"/login\">"),
    ("kotlin", "Reader", "data class Reader<T>(val path: String) : Base(path), IReader"),
    ("kotlin", "second", "fun <T> List<T>.second(): T"),
    ("lua", "append", "function List:append(x)"),
    ("lua", "mul", "M.mul = function(a, b)"),
    ("markdown", "Install", "## Install"),
    ("ocaml", "read", "let rec read ?(n = 1) ~path (x : int) : string"),
    ("ocaml", "reader", "type 'a reader"),
    ("ocaml.interface", "add", "val add : t -> t"),
    ("ruby", "initialize", "def initialize(path, key: 2, &block)"),
    ("ruby", "secret", "private def secret"),
]
DOCS = [
    ("shellscript", "a", "Copies the database every night."),
    ("shellscript", "die", "Prints a message.\n$1 the message"),
    ("csharp", "MaxSize", "The most."),
    ("css", ".box > .item:hover, #main::before", "The box in the middle: 😀"),
    ("dart", "a", "Reading and writing."),
    ("dart", "Reader", "Reads 😀 things."),
    ("elixir", "Acme.Reader", "Reads 😀 things."),
    ("elixir", "add", "Adds one."),
    ("elixir", "size", "In bytes."),
    ("html", "a", "The reader"),
    ("html", "login", "Who are you?"),
    ("kotlin", "id", "Its id."),
    ("lua", "a", "Reading and writing.\n@module reader"),
    ("lua", "add", "Adds.\nTwo numbers."),
    ("markdown", "Reader with `code` 😀", "Reads things.\nAnd more."),
    ("markdown", "From source", ""),
    ("ocaml", "a", "Reading and writing."),
    ("ocaml", "read", "Reads.\n@param path where"),
    ("ocaml.interface", "max", "The most."),
    ("ruby", "open", "Opens one."),
    ("ruby", "migrate", "Makes the tables"),
]
BODIES = [
    ("csharp", "ReadAsync", '[Obsolete("old")]\n{\n        return 1;\n    }'),
    ("dart", "add", "{\n  return a + b;\n}"),
    ("elixir", "add", "@spec add(integer, integer) :: integer\ndo\n    a + b\n  end\n  def add(:none, _), do: 1"),
    ("json", "commands", '[\n      { "command": "a" }\n    ]'),
    ("markdown", "Reader with `code` 😀", "Second paragraph."),
    ("ocaml", "handler", "function\n  | A -> 1"),
]
EMOJI = [
    ("shellscript", "echo 😀; reader() { :; }", "reader"),
    ("csharp", "/* 😀 */ class Reader { }", "Reader"),
    ("css", '@media (a) { /* 😀 */ } [title="😀"] .reader {\n  top: 0;\n  left: 0;\n}', '[title="😀"] .reader'),
    ("dart", "/* 😀 */ int reader() => 1;", "reader"),
    ("elixir", 'test "😀", do: 1; def reader, do: 1', "reader"),
    ("html", "<p>😀</p><h1>Reader</h1>", "Reader"),
    ("json", '{"😀": 1, "reader": [\n1\n]}', "reader"),
    ("kotlin", "/* 😀 */ fun reader() = 1", "reader"),
    ("lua", 'print("😀") function reader() end', "reader"),
    ("markdown", "# 😀 reader", "😀 reader"),
    ("ocaml", "(* 😀 *) let reader x = x", "reader"),
    ("ocaml.interface", "(* 😀 *) val reader : int -> int", "reader"),
    ("ruby", 'puts "😀"; def reader; end', "reader"),
]

# Code that does not parse: what stands before and after the break is still found.
BROKEN = [
    ("shellscript", "a() { :; }\nif [ x; then\nb() {\n  echo \n}\n", {"a"}),
    ("csharp", "class A {\n  void F( { }\n}\nclass B {\n  void G() { }\n}\n", {"A", "B", "G"}),
    ("css", ".a {\n top: 0;\n left: 0;\n}\n.b {\n top: ;;\n left 0\n}\n.c {\n top: 0;\n left: 0;\n}\n", {".a", ".c"}),
    ("dart", "int a() => 1;\nclass B {\n  void f( {}\n  void g() {}\n}\n", {"a"}),
    ("elixir", "defmodule A do\n  def f(, do: 1\n  def g, do: 1\nend\n", {"g"}),
    ("html", "<section id='a'>\n<p>\n<h2>x</b>\n</section>\n<form id='b'>\n\n<input></form>", {"a", "b"}),
    ("json", '{\n"a": [\n1\n],\n"b": ,\n"c": [\n1\n]\n}', {"a", "c"}),
    ("kotlin", "fun a() {\n}\nclass B {\n  fun f( {\n  }\n  fun g() {\n  }\n}\n", {"a"}),
    ("lua", "function a()\nend\nfunction b(\nlocal x =\nfunction c()\nend\n", {"a"}),
    ("markdown", "# a\n\n```\n# not closed\n", {"a"}),
    ("ocaml", "let a x = x\nlet b = (\nlet c x = x\n", {"a"}),
    ("ocaml.interface", "val a : int -> int\nval : int\nval c : int -> int\n", {"a", "c"}),
    ("ruby", "def a\nend\nclass B\n  def f(\n  end\n  def g\n  end\nend\n", {"a"}),
]

# What would only make noise: no symbol but the file and blocks.
NOTHING_WORTH = [
    ("shellscript", "x=1\nexport PATH=/bin\nfor y in 1 2; do Z=$y; done\n"),
    ("csharp", "using System;\n[assembly: A]\n"),
    ("css", ".a{top:0;left:0}.b{top:0;left:0}\n.c {\n  top: 0;\n}\n"),
    ("dart", "import 'x';\nvar x = 1;\n"),
    ("elixir", "import Config\nconfig :a, b: 1\n"),
    ("html", "<div id='a'>\n<p id='b'>\n<script src='x'></script>\n</p></div>"),
    ("json", '{"a": 1, "b": {"c": 1}, "d": [{"e": 1}]}'),
    ("kotlin", "import a.b\nval x = 1\n"),
    ("lua", "local x = 1\nlocal json = require 'json'\nreturn { a = function() end }\n"),
    ("markdown", "Only words.\n\n- [ ] and a list\n"),
    ("ocaml", "open A\nmodule B = C\nlet x = 1\nlet () = f x\n"),
    ("ocaml.interface", "open A\nval x : int\n"),
    ("ruby", "require 'a'\nx = 1\n[1].each { |y| puts y }\n"),
]


def symbols(language: str, text: str) -> tuple[Symbol, ...]:
    extraction = extract(SourceFile("a", text, language, b"", len(text), 0))
    assert extraction.note == ""
    return extraction.symbols


def line_of(symbol: Symbol) -> str:
    where = f" in {symbol.container}" if symbol.container else ""
    return f"{symbol.span.start_line + 1}-{symbol.span.end_line + 1} {symbol.kind} {symbol.name}{where}"


def outline(language: str, text: str) -> str:
    return "".join(line_of(symbol) + "\n" for symbol in symbols(language, text)[1:])


def find(language: str, name: str) -> Symbol:
    return next(symbol for symbol in symbols(language, SOURCES[language]) if symbol.name == name)


def check(found: tuple[Symbol, ...], text: str) -> None:
    """Hold what is true of all symbols: names stand where they say, children follow their parents and lie in them."""
    lines = text.replace("\r\n", "\n").split("\n")
    for position, symbol in enumerate(found):
        span, name = symbol.span, symbol.name_span
        start, end = (span.start_line, span.start_column), (span.end_line, span.end_column)
        assert symbol.kind in KINDS
        assert start <= (name.start_line, name.start_column) <= (name.end_line, name.end_column) <= end
        if symbol.parent < 0:
            continue
        if name.start_line == name.end_line:
            assert lines[name.start_line][name.start_column : name.end_column][:120] == symbol.name
        parent = found[symbol.parent]
        assert symbol.parent < position
        if parent.parent >= 0:
            outer = parent.span
            assert (outer.start_line, outer.start_column) <= start
            assert end <= (outer.end_line, outer.end_column)


@pytest.mark.parametrize("language", SOURCES)
def test_an_outline_says_what_is_where(language: str) -> None:
    assert outline(language, SOURCES[language]) == OUTLINES[language]
    check(symbols(language, SOURCES[language]), SOURCES[language])


@pytest.mark.parametrize("language", SOURCES)
def test_windows_line_ends_change_nothing(language: str) -> None:
    text = SOURCES[language].replace("\n", "\r\n")
    assert outline(language, text) == OUTLINES[language]
    check(symbols(language, text), text)
    assert [one.doc for one in symbols(language, text)] == [one.doc for one in symbols(language, SOURCES[language])]


@pytest.mark.parametrize(("language", "name", "signature"), SIGNATURES)
def test_a_signature_is_the_declaration_in_one_line(language: str, name: str, signature: str) -> None:
    assert find(language, name).signature == signature


@pytest.mark.parametrize(("language", "name", "doc"), DOCS)
def test_documentation_loses_its_marks(language: str, name: str, doc: str) -> None:
    assert find(language, name).doc == doc


@pytest.mark.parametrize(("language", "name", "body"), BODIES)
def test_a_body_is_the_rest(language: str, name: str, body: str) -> None:
    assert find(language, name).body == body


@pytest.mark.parametrize(("language", "text", "name"), EMOJI)
def test_columns_are_code_points(language: str, text: str, name: str) -> None:
    symbol = next(symbol for symbol in symbols(language, text) if symbol.name == name)
    assert symbol.name_span.start_column == text.split("\n")[0].index(name)
    assert not symbol.ascii


@pytest.mark.parametrize(("language", "text", "names"), BROKEN)
def test_broken_code_keeps_what_is_whole(language: str, text: str, names: set[str]) -> None:
    found = symbols(language, text)
    check(found, text)
    assert names <= {symbol.name for symbol in found}


@pytest.mark.parametrize("language", SOURCES)
def test_no_cut_makes_it_fail(language: str) -> None:
    text = SOURCES[language]
    for end in range(0, len(text), 37):
        check(symbols(language, text[:end]), text[:end])


@pytest.mark.parametrize(("language", "text"), NOTHING_WORTH)
def test_noise_is_left_to_blocks(language: str, text: str) -> None:
    assert {symbol.kind for symbol in symbols(language, text)} <= {"file", "block"}


def test_every_language_here_has_a_grammar() -> None:
    assert all(LANGUAGES[language].grammar for language in SOURCES)
