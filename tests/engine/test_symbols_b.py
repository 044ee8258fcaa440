"""Symbols of Scala, SQL, Swift, TOML, YAML, Zig, Julia and PowerShell: what is found, where, how it is described."""

from inspect import cleandoc

import pytest

from lsp_server.engine.files import SourceFile
from lsp_server.engine.symbols import KINDS, Symbol, extract


def symbols(language: str, text: str) -> list[Symbol]:
    source = SourceFile(f"folder/a.{language}", text, language, b"", len(text), 0)
    extraction = extract(source)
    assert not extraction.note
    assert all(symbol.kind in KINDS for symbol in extraction.symbols)
    return list(extraction.symbols)


def rows(language: str, text: str) -> list[str]:
    """Give a line for each symbol but the file: first and last line (from 1), kind, name, container."""
    return [
        f"{one.span.start_line + 1}-{one.span.end_line + 1} {one.kind} {one.name} [{one.container}]"
        for one in symbols(language, text)[1:]
    ]


def one(language: str, text: str, name: str) -> Symbol:
    return next(symbol for symbol in symbols(language, text)[1:] if symbol.name == name)


SCALA = """
/** Shapes with an area. */
@deprecated("use Body")
sealed trait Shape[A] extends Serializable {
  type Unit = Int
  /** In square metres. */
  def area(scale: Int)(implicit unit: Unit): Double
  val sides: Int
}

case class Point(x: Int, y: Int) {
  def this(x: Int) = this(x, 0)
  def sum: Int = x + y
}

object Point {
  val Origin = Point(0, 0)
  private lazy val table: Map[Int, Int] = {
    Map(1 -> 2)
  }
  implicit class Rich(val text: String) extends AnyVal { def shout = text.toUpperCase }
}

enum Color(val rgb: Int):
  case Red extends Color(0xFF0000)
  def dark = rgb / 2
end Color

given ordering: Ordering[Point] with
  def compare(a: Point, b: Point) = a.x - b.x
given Show[Int] with
  def show(value: Int) = s"$value"

extension (text: String)
  def twice: String = text + text

type Id = Long
@main def hello() = println("hi")
"""

SCALA_TESTS = """
class StackSpec extends AnyFlatSpec {
  test("pushes one") { assert(push(1) == 1) }
  "A stack" should "pop" in { assert(pop == 1) }
  it should "throw" in { intercept[Error](pop) }
  property("is last in, first out") = forAll { (a: Int) => true }
  @Test def empties(): Unit = ()
}
"""

SQL = """
-- People who log in.
CREATE TABLE IF NOT EXISTS app.users (
  id serial PRIMARY KEY, -- never reused
  team int REFERENCES teams (id)
);
CREATE UNIQUE INDEX users_name ON app.users (name);

/* Names only. */
CREATE OR REPLACE VIEW names AS SELECT name FROM app.users;

CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE SCHEMA IF NOT EXISTS audit AUTHORIZATION admin;

-- Counts the people.
CREATE OR REPLACE FUNCTION app.head_count(least int) RETURNS integer AS $$
BEGIN
  RETURN 1;
END;
$$ LANGUAGE plpgsql;

CREATE PROCEDURE refresh() LANGUAGE SQL AS $$ SELECT 1; $$;
CREATE TRIGGER log AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION log_it();

WITH monthly AS (
  SELECT month, sum(amount)
  FROM sales
  GROUP BY month
)
SELECT * FROM monthly;
"""

SWIFT = """
import Foundation

/// A point in a plane.
@frozen public struct Point<T>: Hashable where T: Equatable {
  /// Along the first axis.
  public var x: Int = 0
  let y: Int
  var length: Int {
    return x + y
  }
  /// At the origin.
  init(at place: Place) { self.x = 0 }
  static func + (a: Point, b: Point) -> Point { a }
  func move<A>(_ by: A, fast: Bool = true) async throws -> Int where A: Vector {
    return 1
  }
  enum Side: String { case left, right
    /// The far one.
    case top(Int)
  }
  typealias Scalar = Int
}
protocol Shape: AnyObject {
  var area: Int { get }
  func scale(_ by: Int) -> Bool
}
extension String: Shape {
  func shout() -> String { uppercased() }
}
actor Counter { func increment() {} }
final class PointTests: XCTestCase {
  override func setUp() {}
  func testMoves() throws { XCTAssert(true) }
  @Test("adds numbers") func adds() {}
}
let LIMIT = 3
"""

TOML = """
# Who we are.
title = "demo"

[project]
name = "demo" # short
dependencies = [
  "numpy",
  "platformdirs",
]

[tool.ruff.lint]
select = ["E"]

[[bin]]
name = "server"
path = "src/main.rs"
"""

YAML = """
# How it is built.
name: CI
on:
  push:
    branches: [main]
jobs:
  # On every system.
  test:
    runs-on: ubuntu
    steps:
      - run: |
          make
          make test
  lint: {uses: other}
"quoted key":
  - a
  - b
"""

MANIFESTS = """
---
apiVersion: v1
kind: Service
metadata:
  name: web
  labels: {app: web}
spec:
  ports:
    - 80
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
"""

PLAY = """
- name: Set up the server
  hosts: all
  tasks:
    - name: Install nginx
      apt:
        name: nginx
    - name: Say hello
      debug: {}
"""

OPENAPI = """
paths:
  /users/{id}:
    get:
      summary: One user
      operationId: getUser
"""

ZIG = """
//! Shapes and numbers.
const std = @import("std");
const Self = @This();

/// A point in a plane.
pub const Point = struct {
    x: f32,
    /// At the origin.
    pub fn init() Point {
        return .{ .x = 0 };
    }
    test "inner" {}
};
pub const Color = enum(u8) { red, green };
const Number = union(enum) { int: u8, none: void };
pub const Failure = error{ Empty, Full };
pub fn List(comptime T: type) type {
    return struct {
        items: []T,
        pub fn append(self: *@This(), item: T) void {
            _ = self;
        }
    };
}
export fn add(a: i32, b: i32) i32 {
    return a + b;
}
test "adds" {
    try std.testing.expect(add(1, 2) == 3);
}
pub const MAX_LEN = 3;
"""

JULIA = '''
module Shapes

using LinearAlgebra
export area

"""
    area(shape)

In square metres.
"""
function area(shape::Shape; scale=1)::Int where {T<:Real}
    return scale
end

"Adds one."
next(x) = x + 1

mutable struct Point{T} <: Shape
    x::T
    Point{T}(x) where {T} = new{T}(x)
end
abstract type Shape{T} end
const LIMIT = 3
macro twice(body)
    return body
end
Base.show(io::IO, point::Point) = print(io, point.x)
function Base.:+(a::Point, b::Point)
    a
end
@inline function fast(x)
    x
end
@enum Color red green
@testset "adds numbers" begin
    @test 1 + 1 == 2
end
end
'''

POWERSHELL = """
#Requires -Version 5
<#
.SYNOPSIS
Tools for things.
#>
using namespace System.IO

<#
.SYNOPSIS
Gets a thing.
#>
function Get-Thing {
    [CmdletBinding()]
    param([int]$Id)
    "x"
}
# Adds two.
function Add($a, $b) { return $a + $b }
class Point : Base {
    # Along the first axis.
    [int]$X
    Point([int]$x) { $this.X = $x }
    static [Point] Zero() { return [Point]::new(0) }
}
enum Color { Red; Green = 2 }
$script:Defaults = @{
   Depth = 1
}
$answer = Get-Thing |
   Select-Object -First 1
Describe "Get-Thing" {
    It "returns x" { Get-Thing 1 | Should -Be "x" }
}
"""

# fmt: off
CASES = (
    ("scala", SCALA, """
        1-8 trait Shape []
        4-4 type Unit [Shape]
        5-6 method area [Shape]
        10-13 class Point []
        11-11 constructor this [Point]
        12-12 method sum [Point]
        15-21 object Point []
        16-16 constant Origin [Point]
        17-19 constant table [Point]
        20-20 class Rich [Point]
        20-20 method shout [Point.Rich]
        23-26 enum Color []
        25-25 method dark [Color]
        28-29 object ordering []
        29-29 method compare [ordering]
        30-31 object given Show[Int] []
        31-31 method show [given Show]
        33-34 class extension (text: String) []
        34-34 method twice [String]
        36-36 type Id []
        37-37 function hello []
    """),
    ("scala", SCALA_TESTS, """
        1-7 class StackSpec []
        2-2 test pushes one [StackSpec]
        3-3 test pop [StackSpec]
        4-4 test throw [StackSpec]
        5-5 test is last in, first out [StackSpec]
        6-6 test empties [StackSpec]
    """),
    ("sql", SQL, """
        1-5 table users [app]
        6-6 key users_name []
        8-9 table names []
        11-11 enum mood []
        12-12 namespace audit []
        14-19 function head_count []
        21-21 function refresh []
        22-22 rule log []
        24-28 table monthly []
    """),
    ("swift", SWIFT, """
        3-22 struct Point []
        5-6 property x [Point]
        8-10 property length [Point]
        11-12 constructor init [Point]
        13-13 method + [Point]
        14-16 method move [Point]
        17-20 enum Side [Point]
        18-19 constant top [Point.Side]
        21-21 type Scalar [Point]
        23-26 interface Shape []
        25-25 method scale [Shape]
        27-29 class extension String []
        28-28 method shout [String]
        30-30 class Counter []
        30-30 method increment [Counter]
        31-35 class PointTests []
        32-32 method setUp [PointTests]
        33-33 test testMoves [PointTests]
        34-34 test adds [PointTests]
        36-36 constant LIMIT []
    """),
    ("toml", TOML, """
        4-9 table project []
        6-9 key dependencies [project]
        11-12 table tool.ruff.lint []
        14-16 table server [bin]
    """),
    ("yaml", YAML, """
        3-5 key on []
        6-14 key jobs []
        7-13 key test [jobs]
        15-17 key quoted key []
    """),
    ("yaml", MANIFESTS, """
        2-9 object web [Service]
        7-9 key spec [Service.web]
        11-14 object settings [ConfigMap]
    """),
    ("yaml", PLAY, """
        1-8 object Set up the server []
        4-6 object Install nginx [Set up the server]
    """),
    ("yaml", OPENAPI, """
        1-5 key paths []
        2-5 key /users/{id} [paths]
        3-5 key get [paths./users/{id}]
    """),
    ("zig", ZIG, """
        5-13 struct Point []
        8-11 method init [Point]
        12-12 test inner [Point]
        14-14 enum Color []
        15-15 union Number []
        16-16 enum Failure []
        17-24 struct List []
        20-22 method append [List]
        25-27 function add []
        28-30 test adds []
        31-31 constant MAX_LEN []
    """),
    ("julia", JULIA, """
        1-38 module Shapes []
        6-13 function area [Shapes]
        15-16 function next [Shapes]
        18-21 struct Point [Shapes]
        20-20 constructor Point [Shapes.Point]
        22-22 type Shape [Shapes]
        23-23 constant LIMIT [Shapes]
        24-26 macro twice [Shapes]
        27-27 function show [Shapes]
        28-30 function + [Shapes]
        31-33 function fast [Shapes]
        34-34 enum Color [Shapes]
        35-37 test adds numbers [Shapes]
    """),
    ("powershell", POWERSHELL, """
        8-16 function Get-Thing []
        17-18 function Add []
        19-24 class Point []
        20-21 property $X [Point]
        22-22 constructor Point [Point]
        23-23 method Zero [Point]
        25-25 enum Color []
        26-28 variable $script:Defaults []
        31-33 test Get-Thing []
    """),
)
# fmt: on


@pytest.mark.parametrize(("language", "text", "expected"), CASES)
def test_outline(language, text, expected):
    assert rows(language, cleandoc(text) + "\n") == cleandoc(expected).splitlines()


@pytest.mark.parametrize(("language", "text", "expected"), CASES)
def test_outline_is_the_same_with_other_line_ends(language, text, expected):
    assert rows(language, cleandoc(text).replace("\n", "\r\n")) == cleandoc(expected).splitlines()


@pytest.mark.parametrize(
    ("language", "text", "name", "signature", "doc"),
    [
        ("scala", SCALA, "Shape", "sealed trait Shape[A] extends Serializable", "Shapes with an area."),
        ("scala", SCALA, "area", "def area(scale: Int)(implicit unit: Unit): Double", "In square metres."),
        ("scala", SCALA, "table", "private lazy val table: Map[Int, Int]", ""),
        ("scala", SCALA, "given Show[Int]", "given Show[Int] with", ""),
        ("scala", SCALA_TESTS, "pop", '"A stack" should "pop" in', ""),
        ("sql", SQL, "users", "CREATE TABLE IF NOT EXISTS app.users", "People who log in."),
        ("sql", SQL, "names", "CREATE OR REPLACE VIEW names AS", "Names only."),
        (
            *("sql", SQL, "head_count"),
            "CREATE OR REPLACE FUNCTION app.head_count(least int) RETURNS integer",
            "Counts the people.",
        ),
        ("swift", SWIFT, "Point", "public struct Point<T>: Hashable where T: Equatable", "A point in a plane."),
        ("swift", SWIFT, "init", "init(at place: Place)", "At the origin."),
        (
            *("swift", SWIFT, "move"),
            "func move<A>(_ by: A, fast: Bool = true) async throws -> Int where A: Vector",
            "",
        ),
        ("swift", SWIFT, "top", "case top(Int)", "The far one."),
        ("toml", TOML, "tool.ruff.lint", "[tool.ruff.lint]", ""),
        ("yaml", YAML, "test", "test", "On every system."),
        ("zig", ZIG, "Point", "pub const Point = struct", "A point in a plane."),
        ("zig", ZIG, "Color", "pub const Color = enum(u8)", ""),
        ("zig", ZIG, "List", "pub fn List(comptime T: type) type", ""),
        ("julia", JULIA, "Shapes", "module Shapes", ""),
        (
            *("julia", JULIA, "area"),
            "function area(shape::Shape; scale=1)::Int where {T<:Real}",
            "area(shape)\n\nIn square metres.",
        ),
        ("julia", JULIA, "next", "next(x)", "Adds one."),
        ("julia", JULIA, "fast", "function fast(x)", ""),
        ("powershell", POWERSHELL, "Get-Thing", "function Get-Thing", ".SYNOPSIS\nGets a thing."),
        ("powershell", POWERSHELL, "Add", "function Add($a, $b)", "Adds two."),
        ("powershell", POWERSHELL, "Zero", "static [Point] Zero()", ""),
    ],
)
def test_signature_and_documentation(language, text, name, signature, doc):
    found = one(language, cleandoc(text) + "\n", name)
    assert (found.signature, found.doc) == (signature, doc)


@pytest.mark.parametrize(
    ("language", "text", "doc"),
    [
        ("toml", TOML, "Who we are."),
        ("yaml", YAML, "How it is built."),
        ("zig", ZIG, "Shapes and numbers."),
        ("powershell", POWERSHELL, ".SYNOPSIS\nTools for things."),
    ],
)
def test_a_file_is_documented_by_its_first_comment(language, text, doc):
    assert symbols(language, cleandoc(text) + "\n")[0].doc == doc


@pytest.mark.parametrize(
    ("language", "text", "name"),
    [
        ("scala", "class A {\n  /* 😀😀 */ def äh(x: Int) = {\n    x\n  }\n}\n", "äh"),
        ("sql", '/* 😀😀 */ CREATE TABLE "t😀" (\n  a int\n);\n', "t😀"),
        ("swift", "/* 😀😀 */ func äh(x: Int) {\n  x\n}\n", "äh"),
        ("toml", '["😀 b"]\nkey = "😀"\n', "😀 b"),
        ("yaml", '"😀 b":\n  - 1\n  - "😀"\n', "😀 b"),
        ("zig", 'test "😀 b" {\n    run();\n}\n', "😀 b"),
        ("julia", "#= 😀😀 =# function äh(x)\n    x\nend\n", "äh"),
        ("powershell", "<# 😀😀 #> function Äh {\n  1\n}\n", "Äh"),
    ],
)
def test_columns_are_code_points(language, text, name):
    found = one(language, text, name)
    line = text.split("\n")[found.name_span.start_line]
    assert line[found.name_span.start_column : found.name_span.end_column] == name
    assert not found.ascii
    assert found.span.end_column == len(text.split("\n")[found.span.end_line].rstrip(";"))


@pytest.mark.parametrize(
    ("language", "text", "name"),
    [
        ("scala", "class A {\n  def run(x: Int = {\n}\n\nclass B {\n  def go(x: Int) = x\n}\n", "go"),
        ("sql", "CREATE TABLE a (id int);\nCREATE FUNCTION broken( RETURNS AS $$ SELECT (((;\n", "a"),
        ("swift", "struct A {\n  func run(x: Int {\n}\n\nstruct B {\n  func go() {}\n}\n", "go"),
        ("toml", "[a]\nx = 1\n\n[b\ny = = 2\n", "a"),
        ("yaml", "a:\n  - 1\n  - 2\nb: [1,\n  c: }\n", "a"),
        ("zig", "fn run() void {\n}\n\nfn broken(x: i32 void {\n", "run"),
        ("julia", "function run(x)\n    x\nend\n\nfunction broken(x\n", "run"),
        ("powershell", "function Run {\n  1\n}\n\nfunction Broken { if (\n", "Run"),
    ],
)
def test_broken_code_still_gives_what_can_be_seen(language, text, name):
    assert one(language, text, name)


@pytest.mark.parametrize("language", sorted({case[0] for case in CASES}))
def test_empty_and_strange_files_have_a_file_symbol_and_nothing_else(language):
    for text in ("", "\n\n", "\x0c\n", "\ufeff", "\ud800"):
        assert [symbol.kind for symbol in symbols(language, text)] == ["file"]


@pytest.mark.parametrize("language", sorted({case[0] for case in CASES}))
def test_every_prefix_of_a_file_can_be_read(language):
    text = "".join(cleandoc(case[1]) for case in CASES if case[0] == language)
    for end in range(0, len(text), 23):
        found = symbols(language, text[:end])
        assert all(-1 <= symbol.parent < position for position, symbol in enumerate(found))


def test_sql_names_are_not_taken_from_what_a_definition_uses():
    text = """
        CREATE TABLE a (id int REFERENCES b (id));
        CREATE FUNCTION f(x int) RETURNS SETOF c LANGUAGE sql AS 'select 1';
        CREATE TRIGGER t AFTER INSERT ON d FOR EACH ROW EXECUTE FUNCTION g();
    """
    assert [symbol.name for symbol in symbols("sql", cleandoc(text))[1:]] == ["a", "f", "t"]


def test_yaml_leaves_small_keys_in_what_holds_them():
    text = "a: 1\nb: 2\nc:\n  d: 3\nmetadata:\n  name: x\n  labels: y\n  owner: z\n"
    assert [symbol.kind for symbol in symbols("yaml", text)] == ["file", "block"]


def test_zig_aliases_and_imports_are_no_constants():
    text = '//! About.\nconst IO = @This();\nconst STD = @import("std");\n/// The size.\nconst size = 3;\n'
    assert rows("zig", text) == ["4-5 constant size []"]


def test_swift_functions_in_functions_and_plain_properties_are_not_found_alone():
    text = "func outer() {\n  func inner() {}\n  let x = 1\n}\nstruct A {\n  var x = 1\n  let y: Int\n}\n"
    assert rows("swift", text) == ["1-4 function outer []", "5-8 struct A []"]


def test_julia_functions_keep_their_names_in_every_form():
    text = """
        f(x) = 1
        g(x)::Int = 1
        h(x::T) where {T} = 1
        k(x::T)::Int where {T} = 1
        (p::Poly)(x) = 1
        Foo{T}(x) = 1
        Base.show(x) = 1
        function a(x) end
        function b(x)::Int end
        function c(x) where {T} end
        function d(x)::Int where {T} end
        function Base.e(x) end
        function later end
        square = x -> x * x
    """
    names = [symbol.name for symbol in symbols("julia", cleandoc(text))[1:]]
    assert names == ["f", "g", "h", "k", "Poly", "Foo", "show", "a", "b", "c", "d", "e", "later", "square"]
