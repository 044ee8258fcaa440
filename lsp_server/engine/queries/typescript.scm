; inherits: ecmascript
; TypeScript and TSX: types, signatures without bodies, namespaces.

(import_alias) @import
(ambient_declaration (_) @inner) @outer
(expression_statement . (internal_module) @inner) @outer
(ambient_declaration (lexical_declaration (variable_declarator name: (identifier) @name) @constant))

(abstract_class_declaration name: (_) @name body: (_) @body) @class
(interface_declaration name: (_) @name body: (_) @body) @interface
(enum_declaration name: (_) @name body: (_) @body) @enum
(type_alias_declaration name: (_) @name) @type
(internal_module name: (_) @name body: (_) @body) @namespace
(module name: (_) @name body: (_) @body) @namespace

(class_body (public_field_definition
  name: (_) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method)

; Overloads stand before the implementation and are one function with it.
(function_signature name: (_) @name) @function @declares @merge
(method_signature name: (_) @name) @method @declares @merge
(abstract_method_signature name: (_) @name) @method @declares
