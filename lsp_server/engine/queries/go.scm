; Go: methods belong to their receiver; specs in a group are found one by one; tests as `go test` finds them.

(comment) @comment
[(package_clause) (import_declaration)] @import

(type_declaration . (type_spec) @inner .) @outer
(type_declaration . (type_alias) @inner .) @outer
(const_declaration . (const_spec) @inner .) @outer
(var_declaration . (var_spec) @inner .) @outer

(type_spec name: (_) @name) @type
(type_alias name: (_) @name) @type
(type_spec name: (_) @name type: (struct_type (field_declaration_list) @body)) @struct
(type_spec name: (_) @name type: (interface_type "{" @body)) @interface
(interface_type (method_elem name: (_) @name) @method @declares)

(source_file (const_declaration (const_spec . name: (_) @name) @constant))
; What a package exports.
((source_file (const_declaration (const_spec . name: (_) @name) @constant @unit))
  (#match? @name "^[A-Z]."))
(source_file (var_declaration [
  (var_spec . name: (_) @name) @variable
  (var_spec_list (var_spec . name: (_) @name) @variable)
]))
(source_file (var_declaration (var_spec
  . name: (_) @name
  value: (expression_list . (func_literal body: (_) @body) .)) @function))

(function_declaration name: (_) @name) @function @declares
(function_declaration name: (_) @name body: (_) @body) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: [
    (type_identifier) @scope
    (generic_type type: (_) @scope)
    (pointer_type (type_identifier) @scope)
    (pointer_type (generic_type type: (_) @scope))
  ]))
  name: (_) @name
  body: (_) @body) @method

((function_declaration name: (_) @name body: (_) @body) @test
  (#match? @name "^(Test|Benchmark|Fuzz|Example)([A-Z_]|$)"))
; t.Run("empty input", func(t *testing.T) {...})
((call_expression
  function: (selector_expression field: (field_identifier) @_run)
  arguments: (argument_list . (_) @name (func_literal body: (_) @body) .)) @test
  (#eq? @_run "Run") (#match? @name "^\""))
