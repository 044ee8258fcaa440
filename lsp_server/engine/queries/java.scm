; Java: annotations are attributes, methods without a body are declarations, JUnit and TestNG tests by annotation.

[(line_comment) (block_comment)] @comment
[(marker_annotation) (annotation)] @attribute
[(package_declaration) (import_declaration)] @import

(class_declaration name: (_) @name body: (_) @body) @class
(record_declaration name: (_) @name body: (_) @body) @class
(interface_declaration name: (_) @name body: (_) @body) @interface
(annotation_type_declaration name: (_) @name body: (_) @body) @interface
(enum_declaration name: (_) @name body: (_) @body) @enum

(method_declaration name: (_) @name) @method @declares
(constructor_declaration name: (_) @name body: (_) @body) @constructor
(compact_constructor_declaration name: (_) @name body: (_) @body) @constructor
(annotation_type_element_declaration name: (_) @name) @method @declares

((class_body (field_declaration (modifiers) @_modifiers declarator: (variable_declarator name: (_) @name)) @constant)
  (#match? @_modifiers "static") (#match? @name "^[A-Z]"))
(interface_body (constant_declaration declarator: (variable_declarator name: (_) @name)) @constant)

(method_declaration name: (_) @name body: (_) @body) @method
((method_declaration
  (modifiers [(marker_annotation name: (_) @_annotation) (annotation name: (_) @_annotation)])
  name: (_) @name
  body: (_) @body) @test
  (#match? @_annotation "Test$"))
