; Swift. The grammar calls classes, structs, enums, actors and extensions one thing; the keyword tells them apart.
; Return types are fields called `name` too, so a name is taken by what stands before it. The grammar is the largest of
; all: patterns that say more than they need (`body: (function_body)`) take a tenth of a second each to compile.

[(comment) (multiline_comment)] @comment
(import_declaration) @import
(modifiers (attribute) @attribute)

(class_declaration declaration_kind: ["class" "actor"] name: (_) @name body: (_) @body) @class
(class_declaration declaration_kind: "struct" name: (_) @name body: (_) @body) @struct
(class_declaration declaration_kind: "enum" name: (_) @name body: (_) @body) @enum
(class_declaration declaration_kind: "extension" @name name: (_) @name @label body: (_) @body) @class
(protocol_declaration name: (_) @name body: (_) @body) @interface
(typealias_declaration "typealias" . name: (_) @name) @type
(macro_declaration "macro" . (simple_identifier) @name) @macro

(function_declaration "func" . name: _ @name _ @body .) @function
(protocol_function_declaration "func" . name: _ @name) @method
(init_declaration name: "init" @name body: (_)? @body) @constructor
(deinit_declaration "deinit" @name body: (_) @body) @method
(subscript_declaration "subscript" @name (computed_property)? @body) @method

(enum_entry "case" . name: (simple_identifier) @name) @constant
(protocol_property_declaration name: (pattern bound_identifier: (_) @name)) @property
(class_body (property_declaration
  name: (pattern bound_identifier: (_) @name)
  ["=" (computed_property)]? @body) @property)
(enum_class_body (property_declaration
  name: (pattern bound_identifier: (_) @name)
  ["=" (computed_property)]? @body) @property)
(source_file (property_declaration
  name: (pattern bound_identifier: (_) @name)
  ["=" (computed_property)]? @body) @constant)

; XCTest, Swift Testing, Quick.
((class_body (function_declaration "func" . name: _ @name . "(" . ")") @test)
  (#match? @name "^test"))
((function_declaration
  (modifiers (attribute (user_type (type_identifier) @_attribute)))
  "func" . name: _ @name) @test
  (#eq? @_attribute "Test"))
((call_expression
  (simple_identifier) @_f
  (call_suffix
    (value_arguments . (value_argument value: (line_string_literal) @name))
    (lambda_literal) @body)) @test
  (#any-of? @_f "describe" "context" "it"))
