; Kotlin: an unnamed companion object is no unit of its own, its members belong to the class. The receiver of an
; extension is its scope.

[(line_comment) (block_comment)] @comment
(annotation) @attribute
[(package_header) (import)] @import
(file_annotation) @prologue

(class_declaration "class" name: (identifier) @name [(class_body) (enum_class_body)]? @body) @class
(class_declaration "interface" name: (identifier) @name (class_body)? @body) @interface
(class_declaration name: (identifier) @name (enum_class_body) @body) @enum
((class_declaration (modifiers (class_modifier) @_modifier) name: (identifier) @name) @enum
  (#eq? @_modifier "enum"))
(object_declaration name: (identifier) @name (class_body)? @body) @object
(companion_object name: (identifier) @name (class_body)? @body) @object
(type_alias type: (identifier) @name) @type

; Values at the top and in classes, no locals.
(source_file (property_declaration "var" (variable_declaration . (identifier) @name)) @variable)
(source_file (property_declaration "val" (variable_declaration . (identifier) @name)) @constant)
(class_body (property_declaration (variable_declaration . (identifier) @name)) @property)
(enum_class_body (property_declaration (variable_declaration . (identifier) @name)) @property)
((class_body (property_declaration
  (modifiers (property_modifier) @_modifier)
  (variable_declaration . (identifier) @name)) @constant)
  (#eq? @_modifier "const"))
(source_file (property_declaration
  [(user_type) @scope (nullable_type (user_type) @scope)]
  . (variable_declaration . (identifier) @name)) @property)

(function_declaration name: (identifier) @name (function_body)? @body) @function
(function_declaration
  [(user_type) @scope (nullable_type (user_type) @scope)]
  . name: (identifier) @name) @function
(secondary_constructor "constructor" @name (block)? @body) @constructor

; JUnit, kotlin.test
((function_declaration
  (modifiers (annotation [(user_type (identifier) @_attribute) (constructor_invocation (user_type (identifier) @_attribute))]))
  name: (identifier) @name) @test
  (#any-of? @_attribute "Test" "ParameterizedTest" "RepeatedTest" "TestFactory" "TestTemplate" "Property"))
; Kotest, Spek: test("adds numbers") {...}, and "adds numbers" {...} in a specification
((call_expression
  (call_expression . (identifier) @_function . (value_arguments . (value_argument (string_literal) @name)))
  (annotated_lambda (lambda_literal) @body)) @test
  (#any-of? @_function "test" "describe" "context" "it" "should" "given" "feature" "scenario" "expect"))
(constructor_invocation (value_arguments (value_argument (lambda_literal
  (call_expression . (string_literal) @name . (annotated_lambda (lambda_literal) @body)) @test))))
