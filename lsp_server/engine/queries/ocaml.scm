; OCaml, implementations and interfaces. `let a = ... and b = ...` is one node: a definition starts at its own keyword and
; is extended by its body.

(comment) @comment
[(open_module) (open_module_signature) (include_module) (include_module_type) (floating_attribute)] @import
(module_definition (module_binding body: (module_path))) @import

; Values at the top and in modules, no locals. (An interface has no value definition at its top, and its grammar refuses
; a pattern that names one.)
(compilation_unit (_
  "let" @constant . (attribute)? . "rec"?
  . (let_binding pattern: (value_name) @name body: (_) @body)))
(structure (value_definition
  "let" @constant . (attribute)? . "rec"?
  . (let_binding pattern: (value_name) @name body: (_) @body)))
(value_specification [(value_name) (parenthesized_operator)] @name) @constant

(value_definition
  ["let" "and"] @function . (attribute)? . "rec"?
  . (let_binding pattern: [(value_name) (parenthesized_operator)] @name (parameter) body: (_) @body))
(value_definition
  ["let" "and"] @function . (attribute)? . "rec"?
  . (let_binding pattern: [(value_name) (parenthesized_operator)] @name body: [(fun_expression) (function_expression)] @body))
(value_specification [(value_name) (parenthesized_operator)] @name type: [(function_type) (polymorphic_type)]) @function
(external [(value_name) (parenthesized_operator)] @name) @function

(type_definition . (type_binding name: (_) @name body: (_)? @body) .) @type
(type_definition "type" @type . (type_binding name: (_) @name body: (_) @body) . "and")
(type_definition "and" @type . (type_binding name: (_) @name body: (_) @body))
(exception_definition (constructor_declaration (constructor_name) @name)) @type

(module_definition (module_binding (module_name) @name !body module_type: (_))) @module
(module_definition (module_binding (module_name) @name module_type: (signature) @body)) @module
(module_definition (module_binding (module_name) @name body: [(module_application) (packed_module) (typed_module_expression)])) @module
(module_definition (module_binding (module_name) @name body: [(structure) (functor)] @body)) @module
(module_type_definition (module_type_name) @name body: (_)? @body) @interface

(class_definition (class_binding (class_name) @name body: (_)? @body)) @class
(class_type_definition (class_type_binding (class_type_name) @name body: (_)? @body)) @interface
(method_definition (method_name) @name body: (_)? @body) @method
(method_specification (method_name) @name) @method

; ppx_inline_test: let%test "adds" = ..., let%expect_test "adds" = ...
((value_definition (attribute_id) @_attribute (let_binding pattern: (string) @name body: (_) @body)) @test
  (#match? @_attribute "test|bench"))
