; SQL: what a script creates, and the named parts of long queries. The grammar reads PostgreSQL, MySQL and SQLite well,
; the procedural dialects of Oracle and Microsoft hardly: those become blocks.
; The first reference after CREATE <what> is the name; others name types, tables and functions that are used.

[(comment) (marginalia)] @comment
(statement (create_extension)) @import

(create_table
  [(keyword_table) (keyword_exists)]
  . (object_reference schema: (_)? @scope name: (_) @name)
  [(column_definitions) (create_query)]? @body) @table
(create_view
  [(keyword_view) (keyword_exists)]
  . (object_reference schema: (_)? @scope name: (_) @name)
  (create_query) @body) @table
(create_materialized_view
  [(keyword_view) (keyword_exists)]
  . (object_reference schema: (_)? @scope name: (_) @name)
  (create_query) @body) @table
(create_index column: (identifier) @name) @key
(create_trigger [(keyword_trigger) (keyword_exists)] . (object_reference name: (_) @name)) @rule
(create_policy (keyword_policy) . (object_reference name: (_) @name)) @rule
(create_schema [(keyword_schema) (keyword_exists)] . (identifier) @name) @namespace
(create_type (keyword_type) . (object_reference schema: (_)? @scope name: (_) @name)) @type
(create_type (keyword_type) . (object_reference schema: (_)? @scope name: (_) @name) (enum_elements)) @enum

; No scope here: a schema does not make a function a method.
(create_function (keyword_function) . (object_reference name: (_) @name) (function_body)? @body) @function
(create_procedure [(keyword_procedure) (keyword_exists)] . (object_reference name: (_) @name) (procedure_body)? @body) @function

; WITH monthly AS (SELECT ...)
(cte (identifier) @name (statement) @body) @table @minor
