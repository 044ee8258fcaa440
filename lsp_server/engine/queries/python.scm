; Python: a decorated definition starts at its first decorator; docstrings are documentation; tests as pytest finds them.

(comment) @comment

[(import_statement) (import_from_statement) (future_import_statement)] @import

(module . (comment)* . (expression_statement . (string) @doc .)) @file

(decorator) @attribute
(decorated_definition definition: (_) @inner) @outer

(class_definition
  name: (identifier) @name
  body: (block . (expression_statement . (string) @doc .)? ) @body) @class

(function_definition
  name: (identifier) @name
  body: (block . (expression_statement . (string) @doc .)? ) @body) @function

((function_definition name: (identifier) @name) @constructor
  (#any-of? @name "__init__" "__new__"))

((function_definition name: (identifier) @name) @test
  (#match? @name "^test(_|[A-Z]|$)"))

(type_alias_statement left: (type) @name) @type

; Assignments at the top, constants of classes; which of them are worth a unit is decided by the core. Names such as
; __all__ only say again what stands elsewhere.
((module (expression_statement . (assignment left: (identifier) @name) .) @constant)
  (#not-match? @name "^__.*__$"))
((class_definition
  body: (block (expression_statement . (assignment left: (identifier) @name) .) @constant))
  (#match? @name "^[A-Z][A-Z0-9_]+$"))
((module (expression_statement . (assignment left: (identifier) @_name) .) @import)
  (#eq? @_name "__all__"))
