"""Sources and the symbols they hold, one case per language: `kind container|name first-last`, lines counted from 0."""

CASES: dict[str, tuple[str, str]] = {}


def case(language: str, source: str, expected: str) -> None:
    CASES[language] = (source.lstrip("\n"), "\n".join(line.strip() for line in expected.strip().splitlines()))


case(
    "python",
    '''
"""What the module does."""
import os
from typing import Any

LIMIT = 10
# How long to wait.
timeout = 3
small = 1


@decorated(
    1,
)
class Parser(Base):
    """Reads text."""

    mark = "x"
    TABLE = 1

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self.text = text

    async def read(self) -> Any:
        def short():
            return 1

        def long(x):
            if x:
                return 2
            for y in x:
                yield y
            return 3
            # end

        return short() + long(1)

    def test_inside(self):
        pass


def test_reads():
    assert True


type Pair = tuple[int, int]
''',
    """
    constant |LIMIT 4-4
    constant |timeout 5-6
    class |Parser 10-38
    constant Parser|TABLE 17-17
    constructor Parser|__init__ 19-21
    method Parser|read 23-35
    function Parser.read|long 27-33
    test Parser|test_inside 37-38
    test |test_reads 41-42
    type |Pair 45-45
    """,
)

case(
    "javascript",
    """
#!/usr/bin/env node
'use strict';
/**
 * What the file does.
 */

const http = require('http');
import { x } from './x';

/** Application prototype. */

var app = exports = module.exports = {};

/**
 * Starts it.
 */

app.init = function init() {
  function tiny() { return 1; }
  return tiny();
};
Route.prototype.match = function (path) {
  return path;
};
exports.parse = (text) => text;
module.exports = { load() {
    return 1;
  },
  short: () => 1,
  save: async function () {
    return 2;
  } };
export const LIMIT = 10;
const small = 1;
export const routes = {
  a: 1,
};
export default class Store extends Base {
  #count = 0;
  handle = (event) => { this.#count++; };
  constructor() { super(); }
  @logged
  get size() { return 1; }
  static create() { return new Store(); }
}
function* numbers() { yield 1; }
export default () => 1;
describe('store', () => {
  it('counts', () => {
    const s = new Store();
    s.add(1);
    s.add(2);
    s.add(3);
    s.add(4);
    expect(s.size).toBe(4);
  });
  it('is short', () => {});
});
""",
    """
    constant |app 9-11
    method app|init 13-20
    method Route|match 21-23
    function |parse 24-24
    function |load 25-27
    function |save 29-31
    constant |LIMIT 32-32
    constant |routes 34-36
    class |Store 37-44
    method Store|handle 39-39
    constructor Store|constructor 40-40
    method Store|size 41-42
    method Store|create 43-43
    function |numbers 45-45
    function |default 46-46
    test |store 47-57
    test store|counts 48-55
    """,
)

case(
    "typescript",
    """
/** doc */
export abstract class A<T> extends B implements C {
  private x: number = 1;
  static readonly MAX = 3;
  handler = async (e: Event) => { foo(); };
  constructor(private y: string) { super(); }
  @dec() get name(): string { return ""; }
  abstract foo(a: number): void;
  bar?(a): string;
}
export interface I { a: string; m(x: number): void; }
export type T = { a: string } | number;
export enum E { A, B = 2 }
declare module "foo" { export function q(): void; }
namespace N.M { export const X = 1; function f() {} }
export function over(a: string): void;
export function over(a: number): void;
export function over(a: any) { return 1 }
declare function decl(a: number): string;
export const f = <T,>(x: T): T => x;
export default class {}
const enum CE { A }
declare const VERSION: string;
abstract class Q {}
export = foo;
import x = require("y");
declare global { interface Window { a: 1 } }
""",
    """
    class |A 0-9
    method A|handler 4-4
    constructor A|constructor 5-5
    method A|name 6-6
    interface |I 10-10
    type |T 11-11
    enum |E 12-12
    namespace |foo 13-13
    function foo|q 13-13
    namespace |N.M 14-14
    function N.M|f 14-14
    function |over 15-17
    function |decl 18-18
    function |f 19-19
    class |default 20-20
    enum |CE 21-21
    constant |VERSION 22-22
    class |Q 23-23
    interface |Window 26-26
    """,
)

case(
    "java",
    """
/* Copyright 2020 */
package a.b;

import java.util.*;

/** Doc of A. */
@Deprecated
@Foo(x = 1)
public abstract class A<T> extends B implements C, D {
  /** limit */
  public static final int MAX = 3;
  private int x;
  static { foo(); }
  /** makes */
  public A(int x) { this.x = x; }
  @Override public <R> R get(int a) throws E { return null; }
  /** abs */
  abstract void foo();
  interface In { int f(); default int g() { return 1; } }
  enum Color { RED, GREEN { void f() {} }; Color() {} void g() {} }
  record P(int x, int y) { P { } }
  @interface Ann { String value() default ""; }
  @Test
  void testFoo() { }
  @ParameterizedTest @ValueSource(ints={1}) void bar() {}
}
interface I { void m(); /** doc */ int LIM = 3; }
""",
    """
    class |A 5-25
    constant A|MAX 9-10
    constructor A|A 13-14
    method A|get 15-15
    method A|foo 16-17
    interface A|In 18-18
    method A.In|g 18-18
    enum A|Color 19-19
    method A.Color|f 19-19
    constructor A.Color|Color 19-19
    method A.Color|g 19-19
    class A|P 20-20
    constructor A.P|P 20-20
    interface A|Ann 21-21
    test A|testFoo 22-23
    test A|bar 24-24
    interface |I 26-26
    constant I|LIM 26-26
    """,
)

case(
    "c",
    """
/* licence */
#ifndef A_H
#define A_H
#include <stdio.h>
/* the max */
#define MAX 10
#define EMPTY
#define SQ(x) ((x)*(x))
#define LONG(a,b) do { \\
  a; b; } while (0)
/** doc */
struct foo { int a; };
typedef struct bar { int b; } bar_t;
typedef struct { int c; } anon_t, *anon_p;
typedef int (*cb)(int a);
typedef unsigned long ulong_t;
enum color { RED, GREEN };
typedef enum { X, Y } en_t;
union u { int a; };
static const char *names[] = { "a", "b" };
int counter;
extern int ext;
int proto(int a, char *b);
char *proto2(void), *proto3(void);
/* does */
static inline int *func(int a)
{ return 0; }
int (*fptr_ret(int a))(int) { return 0; }
void kr(a, b) int a; char b; { }
TEST(foo, bar) { x(); }
struct fwd;
static struct ops my_ops = { .open = f,
 .close = g };
#ifdef X
int in_ifdef(void) { return 1; }
#endif
#endif
UV_EXTERN int uv_x(int a);
""",
    """
    macro |MAX 4-5
    macro |SQ 7-7
    macro |LONG 8-9
    struct |foo 10-11
    struct |bar_t 12-12
    struct |anon_t 13-13
    type |cb 14-14
    type |ulong_t 15-15
    enum |color 16-16
    enum |en_t 17-17
    union |u 18-18
    block |static const char *names[] = { "a", "b" }; 19-21
    function |proto 22-22
    function |proto2 23-23
    function |func 24-26
    function |fptr_ret 27-27
    function |kr 28-28
    test |foo, bar 29-29
    variable |my_ops 31-32
    function |in_ifdef 34-34
    function |uv_x 37-37
    """,
)

case(
    "cpp",
    """
#pragma once
namespace a::b {
namespace {
/// doc
template <typename T, class... Ts>
class [[nodiscard]] A : public B<T> {
 public:
  /// ctor
  A(int x) : x_(x) {}
  explicit A();
  ~A();
  A& operator=(const A&) = delete;
  virtual void foo() const = 0;
  template<class U> U bar(U u) { return u; }
  static constexpr int kMax = 3;
  using type = T;
  friend void swap(A&, A&);
  bool operator==(const A& o) const { return true; }
  operator bool() const { return true; }
  enum class E : int { X };
  struct In { int z; };
 private:
  int x_;
};
}
}
template <> struct hash<A> { size_t operator()(const A& a) const; };
template<typename T> void A<T>::foo() const { }
a::b::A::A() : x(1) { }
A::~A() { }
bool A::operator<(const A& o) { return false; }
auto f(int a) -> int { return 1; }
inline std::ostream& operator<<(std::ostream& o, const A& a) { return o; }
concept C = requires(T t) { t.x; };
template<class T> concept D = true;
using V = std::vector<int>;
template<class T> using W = std::vector<T>;
constexpr int MAX = 3;
const char* const kNames[] = {
  "a" };
extern "C" { int cfun(int); void cbody() {} }
extern "C" int one(void) { return 1; }
TEST_F(Foo, Bar) { EXPECT_EQ(1,1); }
TEST_CASE("adds numbers", "[math]") { REQUIRE(true); }
int main() { auto l = [](int x) { return x; }; }
typedef struct { int a; } T1;
static std::map<int,int> table = { {1,2} };
auto lambda = [](int x) {
  return x; };
""",
    """
    namespace |a::b 1-25
    class a.b|A 3-23
    constructor a.b.A|A 7-8
    method a.b.A|bar 13-13
    constant a.b.A|kMax 14-14
    method a.b.A|operator== 17-17
    method a.b.A|operator bool 18-18
    enum a.b.A|E 19-19
    struct a.b.A|In 20-20
    struct |hash<A> 26-26
    method A|foo 27-27
    constructor a.b.A|A 28-28
    method A|~A 29-29
    method A|operator< 30-30
    function |f 31-31
    function |operator<< 32-32
    type |C 33-33
    type |D 34-34
    type |V 35-35
    type |W 36-36
    constant |MAX 37-37
    variable |kNames 38-39
    function |cfun 40-40
    function |cbody 40-40
    function |one 41-41
    test |Foo, Bar 42-42
    test |adds numbers 43-43
    function |main 44-44
    struct |T1 45-45
    function |lambda 47-48
    """,
)

case(
    "php",
    """
<?php
/**
 * File doc.
 */
declare(strict_types=1);
namespace App\\Models;

use Foo\\Bar;
use function Baz\\qux;
require_once 'x.php';

const LIMIT = 10;
define('X_CONST', 3);

/** Doc. */
#[Attr(1)]
abstract class User extends Model implements A, B
{
    use SomeTrait;
    /** the max */
    public const MAX = 3;
    private $x = [
      1,
    ];
    public function __construct(private string $n) { parent::__construct(); }
    /** d */
    #[Route('/x')]
    public static function find(int $id): ?static { return null; }
    abstract protected function foo(): void;
    public function testThing(): void {}
    /** @test */
    public function it_works() {}
}
interface I { public function m(); }
trait T { function t() {} }
enum Suit: string { case A = 'a'; public function label(): string { return ''; } }
function helper(array $a): int { return 1; }
if (!function_exists('cond')) { function cond() { return 1; } }
$f = function ($x) use ($y) { return 1; };
$g = fn($x) => $x;
it('does things', function () { expect(1); });
return ['a' => 1,
 'b' => 2];
?>
<html><?= $x ?></html>
""",
    """
    constant |LIMIT 11-11
    constant |X_CONST 12-12
    class |User 14-32
    constant User|MAX 19-20
    constructor User|__construct 24-24
    method User|find 25-27
    test User|testThing 29-29
    method User|it_works 30-31
    interface |I 33-33
    trait |T 34-34
    method T|t 34-34
    enum |Suit 35-35
    method Suit|label 35-35
    function |helper 36-36
    function |cond 37-37
    function |f 38-38
    function |g 39-39
    test |does things 40-40
    """,
)

case(
    "haskell",
    """
{-# LANGUAGE GADTs #-}
-- Copyright foo
{-|
Module : A
-}
module A.B (f, T(..)) where

import Data.List (sort)

-- | A type.
data T a = A { x :: Int } | B
  deriving (Show)
newtype N = N { unN :: Int }
type S = String
type family F a where { F Int = Bool }
data G a where
  G1 :: Int -> G Int
-- | class doc
class Foo a where
  -- | m doc
  foo :: a -> Int
  foo _ = 1
instance Foo Int where
  foo x = x
instance (Show a) => Foo (Maybe a) where
  foo _ = 2
deriving instance Eq N
-- | f doc
-- more
f :: Int -> Int
f 0 = 1
f n
  | n > 1 = 2
  | otherwise = g n
  where
    g y = y
(<+>) :: Int -> Int -> Int
a <+> b = a
infixl 6 <+>
x, y :: Int
x = 1
y = 2
pattern P a = Just a
foreign import ccall "sin" c_sin :: Double -> Double
main :: IO ()
main = do
  print 1
$(deriveJSON 'x)
""",
    """
    struct |T 9-11
    struct |N 12-12
    type |S 13-13
    type |F 14-14
    struct |G 15-16
    class |Foo 17-21
    method Foo|foo 19-21
    object |instance Foo Int 22-23
    method Foo|foo 23-23
    object |instance (Show a) => Foo (Maybe a) 24-25
    method Foo|foo 25-25
    function |f 27-35
    function |<+> 36-37
    function |x 40-40
    function |y 41-41
    function |P 42-42
    function |c_sin 43-43
    function |main 44-46
    """,
)

case(
    "go",
    """
// Package a does.
package a

import "fmt"

// T is.
type T struct { X int }
type (
	// I does.
	I interface { M(a int) error }
	F func(int) int
	Al = T
)
// M does.
func (t *T) M(a int) error { return nil }
func (T[K, V]) G() {}
func Gen[T any](x T) T { return x }
const Max = 3
const (
	// A is.
	A = iota
	B
)
var (
	ErrX = 1
	// Doc
	Y, Z = 1, 2
)
var handler = func(a int) int {
	return 1
}
func TestX(t *testing.T) {
	t.Run("sub case", func(t *testing.T) { x() })
}
func BenchmarkX(b *testing.B) {}
func ExampleX() {}
""",
    """
    struct |T 5-6
    interface |I 8-9
    type |F 10-10
    type |Al 11-11
    method T|M 13-14
    method T|G 15-15
    function |Gen 16-16
    constant |Max 17-17
    constant |A 19-20
    block |B 21-24
    variable |Y 25-26
    function |handler 28-30
    test |TestX 31-33
    test |BenchmarkX 34-34
    test |ExampleX 35-35
    """,
)

case(
    "rust",
    """
//! crate docs
//! more

use std::fmt;

/// Doc of S.
/// two
#[derive(Debug)]
pub struct S<T> { x: T }
pub struct Tup(i32);
enum E { A, B(i32) }
union U { a: i32 }
/** block doc */
pub trait Tr: Sized { const N: i32; type O; fn f(&self); fn g(&self) -> i32 { 1 } }
impl<T: Debug> fmt::Display for S<T> where T: Clone { fn fmt(&self) -> R { Ok(()) } }
impl<T> S<T> { pub const X: i32 = 3; pub fn new() -> Self { S } }
pub type Res<T> = Result<T, E>;
const MAX: usize = 10;
static mut G: i32 = 1;
macro_rules! my { ($x:expr) => { $x }; }
pub mod inner { pub fn q() {} }
mod other;
pub(crate) async unsafe fn long<'a, T>(x: &'a T) -> T where T: Clone { x }
extern "C" { fn c_fn(a: i32) -> i32; }
#[cfg(test)]
mod tests { use super::*;
  #[test]
  fn it_works() { }
  #[tokio::test(flavor = "x")]
  async fn as_works() { }
}
""",
    """
    struct |S 5-8
    struct |Tup 9-9
    enum |E 10-10
    union |U 11-11
    trait |Tr 12-13
    method Tr|g 13-13
    object |impl<T: Debug> fmt::Display for S<T> 14-14
    method S|fmt 14-14
    object |impl<T> S<T> 15-15
    method S|new 15-15
    type |Res 16-16
    constant |MAX 17-17
    macro |my 19-19
    module |inner 20-20
    function inner|q 20-20
    function |long 22-22
    function |c_fn 23-23
    module |tests 24-30
    test tests|it_works 26-27
    test tests|as_works 28-29
    """,
)
