; Elixir: everything is a call, so definitions are told by the name of what is called. Clauses of a function are one.

(comment) @comment
; @doc """...""" stands before a definition like a comment; a short string and a sigil lose their quotes here.
((unary_operator operand: (call target: (identifier) @_attribute (arguments
    . (string quoted_start: _ @_quote) @doc))) @comment
  (#any-of? @_attribute "doc" "typedoc") (#match? @_quote "..."))
((unary_operator operand: (call target: (identifier) @_attribute (arguments
    . (string quoted_start: _ @_quote . (quoted_content) @doc)))) @comment
  (#any-of? @_attribute "doc" "typedoc") (#not-match? @_quote "..."))
((unary_operator operand: (call target: (identifier) @_attribute (arguments
    . (sigil (quoted_content) @doc)))) @comment
  (#any-of? @_attribute "doc" "typedoc"))
((unary_operator operand: (call target: (identifier) @_attribute (arguments
    . [(boolean) (nil) (keywords)]))) @attribute
  (#any-of? @_attribute "doc" "typedoc"))
((unary_operator operand: (call target: (identifier) @_attribute)) @attribute
  (#any-of? @_attribute "spec" "impl" "tag" "describetag" "deprecated" "compile" "dialyzer" "since"))

((call target: (identifier) @_function (arguments)) @import
  (#any-of? @_function "use" "import" "alias" "require" "doctest"))
((unary_operator operand: (call target: (identifier) @_attribute)) @import
  (#any-of? @_attribute "moduledoc" "behaviour" "compile" "before_compile" "after_compile" "on_load"))

((call target: (identifier) @_function (arguments . (alias) @name) (do_block) @body) @module
  (#eq? @_function "defmodule"))
((call
  target: (identifier) @_function
  (arguments . (alias) @name)
  (do_block
    (unary_operator operand: (call target: (identifier) @_attribute (arguments . [(string) (sigil)] @doc)))) @body) @module
  (#eq? @_function "defmodule") (#eq? @_attribute "moduledoc"))
((call target: (identifier) @_function (arguments . (alias) @name) (do_block) @body) @interface
  (#eq? @_function "defprotocol"))
((call
  target: (identifier) @_function
  (arguments . (alias) @name)
  (do_block
    (unary_operator operand: (call target: (identifier) @_attribute (arguments . [(string) (sigil)] @doc)))) @body) @interface
  (#eq? @_function "defprotocol") (#eq? @_attribute "moduledoc"))
((call
  target: (identifier) @_function
  (arguments . (alias) @name . (keywords . (pair value: (_) @name))?)
  (do_block) @body) @class
  (#eq? @_function "defimpl"))

; Attributes of a module that are values; types and callbacks.
((do_block (unary_operator operand: (call target: (identifier) @name (arguments))) @constant)
  (#not-match? @name "^((module|type)?doc|spec|impl|tag|(macro)?callback|typep?|opaque|behaviour|deprecated|dialyzer|since|moduletag|describetag|compile|(before|after)_compile|on_load|derive|enforce_keys|optional_callbacks|external_resource|shortdoc)$"))
((unary_operator operand: (call
  target: (identifier) @_attribute
  (arguments (binary_operator left: [(identifier) @name (call target: (identifier) @name)])))) @type
  (#any-of? @_attribute "type" "typep" "opaque"))
((unary_operator operand: (call
  target: (identifier) @_attribute
  (arguments (binary_operator left: [
    (call target: (identifier) @name)
    (binary_operator left: (call target: (identifier) @name) operator: "::")
  ])))) @function
  (#any-of? @_attribute "callback" "macrocallback"))

; def add(a, b), def size, def add(a, b) when is_integer(a), def left + right
((call
  target: (identifier) @_function
  (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: [(identifier) @name (call target: (identifier) @name)] operator: "when")
  ])
  (do_block)? @body) @function @merge
  (#any-of? @_function "def" "defp" "defdelegate" "defn" "defnp"))
((call
  target: (identifier) @_function
  (arguments . (binary_operator left: (identifier) operator: _ @name right: (identifier)))
  (do_block)? @body) @function @merge
  (#any-of? @_function "def" "defp"))
((call
  target: (identifier) @_function
  (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: [(identifier) @name (call target: (identifier) @name)] operator: "when")
  ])
  (do_block)? @body) @macro @merge
  (#any-of? @_function "defmacro" "defmacrop" "defguard" "defguardp"))

; test "reads an empty line", %{path: path} do
((call target: (identifier) @_function (arguments . (string) @name) (do_block) @body) @test
  (#any-of? @_function "test" "describe" "property" "feature" "scenario"))
