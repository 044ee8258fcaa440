; Julia. A string before a definition is its documentation. A name stands in a call, inside what says the return type
; and the parameters of types: f(x), f(x)::T, f(x) where {T}, f(x)::T where {T}.

[(line_comment) (block_comment)] @comment
(source_file (string_literal . (content) @doc) @comment)
(module_definition (string_literal . (content) @doc) @comment)

[(using_statement) (import_statement) (export_statement)] @import
((call_expression . (identifier) @_f) @import (#eq? @_f "include"))

; @inline function ..., Base.@kwdef struct ...
(macrocall_expression
  (macro_identifier) @attribute
  (macro_argument_list [(function_definition) (struct_definition) (assignment)] @inner .)) @outer

; Nothing stands between the name and the first statement: the name ends the signature and starts the body.
(module_definition name: (_) @name @body) @module

(struct_definition
  (type_head [
    (identifier) @name
    (parametrized_type_expression . (identifier) @name)
    (binary_expression . [(identifier) @name (parametrized_type_expression . (identifier) @name)])
  ])
  . (_)? @body) @struct
(abstract_definition (type_head [
  (identifier) @name
  (parametrized_type_expression . (identifier) @name)
  (binary_expression . [(identifier) @name (parametrized_type_expression . (identifier) @name)])
])) @type
(primitive_definition (type_head [(identifier) @name (binary_expression . (identifier) @name)])) @type

(function_definition (signature (identifier) @name)) @function @declares
(function_definition
  (signature [
    (call_expression . [(identifier) (operator)] @name)
    (_ . (call_expression . [(identifier) (operator)] @name))
    (_ . (_ . (call_expression . [(identifier) (operator)] @name)))
  ])
  . (_)? @body) @function
; Base.show, Base.:+
(function_definition
  (signature [
    (call_expression . (field_expression [(identifier) @name (quote_expression (operator) @name)] .))
    (_ . (call_expression . (field_expression [(identifier) @name (quote_expression (operator) @name)] .)))
    (_ . (_ . (call_expression . (field_expression [(identifier) @name (quote_expression (operator) @name)] .))))
  ])
  . (_)? @body) @function
; (p::Polynomial)(x): calling an object. Point{T}(x): a constructor.
(function_definition
  (signature [
    (call_expression . (parametrized_type_expression . (identifier) @name))
    (_ . (call_expression . (parametrized_type_expression . (identifier) @name)))
    (call_expression . (parenthesized_expression (typed_expression (_) (_) @name)))
    (_ . (call_expression . (parenthesized_expression (typed_expression (_) (_) @name))))
  ])
  . (_)? @body) @function
(macro_definition (signature (call_expression . (_) @name)) . (_)? @body) @macro

; f(x) = x + 1
(assignment
  . [
    (call_expression . [(identifier) (operator)] @name)
    (where_expression . (call_expression . [(identifier) (operator)] @name))
    (typed_expression . (call_expression . [(identifier) (operator)] @name))
    (where_expression . (typed_expression . (call_expression . [(identifier) (operator)] @name)))
    (call_expression . (field_expression [(identifier) @name (quote_expression (operator) @name)] .))
    (where_expression . (call_expression . (field_expression [(identifier) @name (quote_expression (operator) @name)] .)))
    (call_expression . (parenthesized_expression (typed_expression (_) (_) @name)))
    (call_expression . (parametrized_type_expression . (identifier) @name))
    (where_expression . (call_expression . (parametrized_type_expression . (identifier) @name)))
  ]
  (operator) . (_) @body) @function

(source_file (assignment . (identifier) @name (operator) . (_) @body) @variable)
(module_definition (assignment . (identifier) @name (operator) . (_) @body) @variable)
(const_statement (assignment
  . [(identifier) @name (typed_expression . (identifier) @name)]
  (operator) . (_) @body)) @constant @unit
(const_statement (assignment . (parametrized_type_expression . (identifier) @name))) @type
(source_file (assignment . (identifier) @name (operator) . (arrow_function_expression) @body) @function)
(module_definition (assignment . (identifier) @name (operator) . (arrow_function_expression) @body) @function)

; @enum Color red green, @testset "adds" begin ... end
((macrocall_expression
  (macro_identifier (identifier) @_macro)
  (macro_argument_list . [(identifier) @name (typed_expression . (identifier) @name)])) @enum
  (#eq? @_macro "enum"))
((macrocall_expression
  (macro_identifier (identifier) @_macro)
  (macro_argument_list (string_literal) @name (_) @body .)) @test
  (#eq? @_macro "testset"))
