; Lua: functions are values of locals, of fields and of tables. `M` and `_M` mean "this module", so they are no scope.

(comment !end) @comment
(comment content: (comment_content) @doc end: _) @comment
(hash_bang_line) @prologue
((chunk (variable_declaration (assignment_statement (expression_list . value: [
    (function_call name: (identifier) @_function)
    (dot_index_expression table: (function_call name: (identifier) @_function))
  ]))) @import)
  (#eq? @_function "require"))

(variable_declaration (assignment_statement) @inner) @outer

; Values at the top. `local insert = table.insert` is a short name for something else, and often stands right under the
; documentation of the file, which it must not take.
((chunk (variable_declaration (assignment_statement
  (variable_list . name: (identifier) @name .)
  (expression_list . value: [
    (table_constructor) (string) (number) (true) (false) (nil) (binary_expression) (unary_expression) (parenthesized_expression)
    (function_call name: [(dot_index_expression) (method_index_expression)])
  ])) @variable))
  (#not-match? @name "^_?M$"))
((chunk (variable_declaration (assignment_statement
  (variable_list . name: (identifier) @name .)
  (expression_list . value: (function_call name: (identifier) @_function))) @variable))
  (#not-match? @name "^_?M$") (#not-eq? @_function "require"))
((chunk (assignment_statement (variable_list . name: (identifier) @name .)) @variable)
  (#not-match? @name "^_?M$"))
(chunk (assignment_statement (variable_list . name: (dot_index_expression) @name @qualified .)) @field)
((chunk (assignment_statement (variable_list
    . name: (dot_index_expression table: (identifier) @_table field: (identifier) @name) .)) @field)
  (#match? @_table "^_?M$"))

; function add(a, b), local function add(a, b), function List:add(a), function M.add(a, b)
(function_declaration name: (identifier) @name body: (_)? @body) @function
(function_declaration name: [(dot_index_expression) (method_index_expression)] @name @qualified body: (_)? @body) @function
((function_declaration
  name: [
    (dot_index_expression table: (identifier) @_table field: (identifier) @name)
    (method_index_expression table: (identifier) @_table method: (identifier) @name)
  ]
  body: (_)? @body) @function
  (#match? @_table "^_?M$"))

; local add = function(a, b), List.add = function(a), M.add = function(a, b), M["add"] = function(a, b)
(assignment_statement
  (variable_list . name: (identifier) @name)
  (expression_list . value: (function_definition body: (_)? @body))) @function
(assignment_statement
  (variable_list . name: (dot_index_expression) @name @qualified)
  (expression_list . value: (function_definition body: (_)? @body))) @function
((assignment_statement
  (variable_list . name: (dot_index_expression table: (identifier) @_table field: (identifier) @name))
  (expression_list . value: (function_definition body: (_)? @body))) @function
  (#match? @_table "^_?M$"))
(assignment_statement
  (variable_list . name: (bracket_index_expression field: (string) @name))
  (expression_list . value: (function_definition body: (_)? @body))) @function
(field name: [(identifier) (string)] @name value: (function_definition body: (_)? @body)) @function @minor

; busted
((function_call
  name: (identifier) @_function
  arguments: (arguments . (string) @name . (function_definition body: (_)? @body))) @test
  (#any-of? @_function "describe" "context" "it" "test" "spec" "insulate" "expose" "pending"))
; LuaUnit
((function_declaration name: (identifier) @name) @test (#match? @name "^test(_|[A-Z])"))
((function_declaration
  name: [
    (dot_index_expression table: (identifier) @_table field: (identifier) @name)
    (method_index_expression table: (identifier) @_table method: (identifier) @name)
  ]) @test
  (#match? @_table "^[Tt]est") (#match? @name "^test"))
