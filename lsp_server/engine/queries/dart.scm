; Dart: the grammar writes a function as two neighbours, its signature and its body, and a value at the top as a row of
; them: what is captured as the body extends the definition.

[(comment) (documentation_comment)] @comment
(annotation) @attribute
[(library_name) (import_or_export) (part_directive) (part_of_directive)] @import

(class_definition name: (identifier) @name body: (_) @body) @class
(class_definition (mixin_application_class . (identifier) @name)) @class
(mixin_declaration (mixin) . (identifier) @name (class_body) @body) @trait
(extension_declaration name: (identifier) @name body: (_) @body) @class
(extension_declaration !name class: (_) @name body: (_) @body) @class
(extension_type_declaration name: (identifier) @name body: (_) @body) @class
(enum_declaration name: (identifier) @name body: (_) @body) @enum
(type_alias . (type_identifier) @name) @type
(type_alias (type_identifier) @name . (formal_parameter_list)) @type

; Values.
(program
  [(const_builtin) (final_builtin)] @constant
  . [(type_identifier) (type_arguments) (nullable_type) (function_type) (record_type)]*
  . (static_final_declaration_list . (static_final_declaration . (identifier) @name)) @body)
(program
  [(inferred_type) (type_identifier) (function_type)] @variable
  . [(type_identifier) (type_arguments) (nullable_type)]*
  . (initialized_identifier_list . (initialized_identifier . (identifier) @name)) @body)
[(class_body (declaration (static_final_declaration_list (static_final_declaration . (identifier) @name))) @constant)
 (class_body (declaration (initialized_identifier_list (initialized_identifier . (identifier) @name))) @field)
 (extension_body (declaration (static_final_declaration_list (static_final_declaration . (identifier) @name))) @constant)]

; Functions, and accessors at the top.
(program
  (function_signature name: (identifier) @name) @function
  . (function_body) @body)
(program
  [(getter_signature name: (identifier) @name) (setter_signature name: (identifier) @name)] @property
  . (function_body) @body)
(local_function_declaration
  (lambda_expression parameters: (function_signature name: (identifier) @name) body: (_) @body)) @function

; Members. Without a body they are declarations.
((method_signature (function_signature name: (identifier) @name)) @method
  . (function_body) @body)
((method_signature (operator_signature (_) @name . (formal_parameter_list))) @method
  . (function_body) @body)
((method_signature [(getter_signature name: (identifier) @name) (setter_signature name: (identifier) @name)]) @property
  . (function_body) @body)
; A method without a type reads as a constructor: the core tells them apart by the name of the class.
((method_signature (constructor_signature name: (_) @name)) @method
  . (function_body) @body)
((method_signature
  [
    (constructor_signature name: (_) @name . name: (_) @name)
    (factory_constructor_signature . (identifier) @name . (identifier)? @name)
  ]) @constructor
  . (function_body) @body)
(declaration (function_signature name: (identifier) @name)) @method
(declaration [(getter_signature name: (identifier) @name) (setter_signature name: (identifier) @name)]) @property
(declaration (constructor_signature name: (_) @name)) @method
(declaration
  [
    (constructor_signature name: (_) @name . name: (_) @name)
    (constant_constructor_signature . (const_builtin) . (identifier) @name . (identifier)? @name)
    (redirecting_factory_constructor_signature . (identifier) @name . (identifier)? @name)
  ]) @constructor

; test('reads an empty line', () {...}), group(...), testWidgets(...)
((expression_statement
  (identifier) @_function
  . (selector (argument_part (arguments
    . (argument (string_literal) @name)
    . (argument (function_expression body: (_) @body)))))) @test
  (#any-of? @_function "test" "group" "testWidgets" "blocTest" "testGoldens"))
