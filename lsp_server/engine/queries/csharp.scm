; C#: types and their members. The grammar makes a file-scoped namespace the sibling of what it holds, so the types at
; the top take it as their scope. Attributes stand inside the declaration.

(comment) @comment
(attribute_list) @attribute
[(using_directive) (extern_alias_directive) (file_scoped_namespace_declaration) (global_attribute)] @import
[(preproc_pragma) (preproc_nullable) (preproc_region) (preproc_endregion) (preproc_define) (preproc_undef)] @prologue

(namespace_declaration name: (_) @name body: (_) @body) @namespace

(class_declaration name: (identifier) @name body: (_)? @body) @class
(struct_declaration name: (identifier) @name body: (_)? @body) @struct
(record_declaration name: (identifier) @name body: (_)? @body) @class
(record_declaration "struct" name: (identifier) @name) @struct
(interface_declaration name: (identifier) @name body: (_)? @body) @interface
(enum_declaration name: (identifier) @name body: (_) @body) @enum
(delegate_declaration name: (identifier) @name) @type

(compilation_unit
  (file_scoped_namespace_declaration name: (_) @scope)
  [
    (class_declaration name: (identifier) @name) @class
    (struct_declaration name: (identifier) @name) @struct
    (record_declaration name: (identifier) @name) @class
    (interface_declaration name: (identifier) @name) @interface
    (enum_declaration name: (identifier) @name) @enum
    (delegate_declaration name: (identifier) @name) @type
  ])
(compilation_unit
  (file_scoped_namespace_declaration name: (_) @scope)
  (record_declaration "struct" name: (identifier) @name) @struct)

; Values: what is documented, long or upper case among them.
(field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @field
(event_field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @field
(event_declaration name: (identifier) @name accessors: (_) @body) @property
(property_declaration name: (identifier) @name
  [accessors: (_) @body value: (arrow_expression_clause) @body]) @property
(indexer_declaration "this" @name
  [accessors: (_) @body value: (arrow_expression_clause) @body]) @property
((field_declaration
  (modifier) @_first
  (variable_declaration (variable_declarator name: (identifier) @name))) @constant
  (#eq? @_first "const"))
((field_declaration
  (modifier) @_first . (modifier) @_second
  (variable_declaration (variable_declarator name: (identifier) @name))) @constant
  (#eq? @_first "static") (#eq? @_second "readonly"))

(local_function_statement name: (identifier) @name body: (_) @body) @function
(method_declaration name: (identifier) @name body: (_)? @body) @method
(operator_declaration "operator" @name operator: _ @name body: (_)? @body) @method
(conversion_operator_declaration "operator" @name type: (_) @name body: (_)? @body) @method
(destructor_declaration "~" @name name: (identifier) @name body: (_)? @body) @method
(constructor_declaration name: (identifier) @name body: (_)? @body) @constructor

; xUnit, NUnit, MSTest
((method_declaration
  (attribute_list (attribute name: (_) @_attribute))
  name: (identifier) @name) @test
  (#match? @_attribute "(^|[.])(Fact|Theory|Test|TestCase|TestCaseSource|TestMethod|DataTestMethod|Property)(Attribute)?$"))
