; inherits: c
; C++, and C headers.

(using_declaration) @import
(namespace_definition !name "namespace" @import)
(template_declaration (_) @inner .) @outer
(linkage_specification body: [(declaration) (function_definition)] @inner) @outer
(friend_declaration (function_definition) @inner) @outer

(namespace_definition name: (_) @name body: (_) @body) @namespace
(class_specifier name: (_) @name body: (_) @body) @class
(alias_declaration name: (_) @name) @type @declares
(concept_definition name: (_) @name) @type

; Declarations of functions and of members.
(declaration declarator: [
  (function_declarator declarator: [(operator_name) (destructor_name) (qualified_identifier)] @name)
  (pointer_declarator declarator: (function_declarator declarator: [(operator_name) (qualified_identifier)] @name))
  (reference_declarator (function_declarator declarator: [(identifier) (operator_name) (qualified_identifier)] @name))
]) @function @declares @qualified
(field_declaration declarator: [
  (function_declarator declarator: [(field_identifier) (operator_name) (destructor_name)] @name)
  (pointer_declarator declarator: (function_declarator declarator: [(field_identifier) (operator_name)] @name))
  (reference_declarator (function_declarator declarator: [(field_identifier) (operator_name)] @name))
]) @function @declares
(field_declaration_list (declaration declarator: (function_declarator declarator: (identifier) @name)) @function @declares)

(function_definition
  declarator: [
    (function_declarator
      declarator: [(field_identifier) (operator_name) (destructor_name) (qualified_identifier) (template_function)] @name)
    (pointer_declarator declarator: (function_declarator
      declarator: [(field_identifier) (operator_name) (qualified_identifier) (template_function)] @name))
    (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator
      declarator: [(field_identifier) (operator_name) (qualified_identifier) (template_function)] @name)))
    (reference_declarator (function_declarator
      declarator: [(identifier) (field_identifier) (operator_name) (qualified_identifier) (template_function)] @name))
  ]
  body: (_) @body) @function @qualified
(function_definition declarator: (operator_cast "operator" @name type: (_) @name) body: (_) @body) @function

(declaration_list (declaration declarator: (init_declarator declarator: [
  (identifier) @name
  (array_declarator declarator: (identifier) @name)
  (pointer_declarator declarator: (identifier) @name)
  (pointer_declarator declarator: (array_declarator declarator: (identifier) @name))
])) @variable)
; constexpr int kMost = 3, in a file, a namespace or a class; Limit, too.
((translation_unit (declaration (type_qualifier) @_const declarator: (init_declarator declarator: (identifier) @name))
  @constant @unit)
  (#any-of? @_const "constexpr" "const") (#match? @name "^k?[A-Z]."))
((declaration_list (declaration (type_qualifier) @_const declarator: (init_declarator declarator: (identifier) @name))
  @constant @unit)
  (#any-of? @_const "constexpr" "const") (#match? @name "^k?[A-Z]."))
((field_declaration (type_qualifier) @_const declarator: (field_identifier) @name default_value: (_)) @constant @unit
  (#eq? @_const "constexpr") (#match? @name "^k?[A-Z]."))
(declaration declarator: (init_declarator
  declarator: (identifier) @name
  value: (lambda_expression body: (_) @body))) @function

; Tests of GoogleTest, Boost and Catch2: TEST_F(Parser, Empty) {...}, TEST_CASE("adds numbers") {...}
((function_definition
  !type
  declarator: (function_declarator
    declarator: (identifier) @_macro
    parameters: (parameter_list . (parameter_declaration) @name (parameter_declaration)? @name))
  body: (_) @body) @test
  (#match? @_macro "TEST|SCENARIO|BENCHMARK"))
((expression_statement (call_expression
    function: (identifier) @_macro
    arguments: (argument_list . (string_literal) @name))) @test
  . (compound_statement) @body
  (#match? @_macro "TEST|SCENARIO|BENCHMARK"))
