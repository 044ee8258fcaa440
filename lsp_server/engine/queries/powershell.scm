; PowerShell: functions and filters, classes, enums, tables of settings, DSC configurations and Pester's tests.
; Help stands in a comment before a function or first in its body.

((comment) @comment (#not-match? @comment "^#[Rr]equires"))
((comment) @prologue (#match? @prologue "^#[Rr]equires"))
((command command_name: (command_name) @_command) @prologue (#match? @_command "^(?i:using)$"))
((command command_name: (command_name) @_command) @import (#match? @_command "^(?i:import-module)$"))

(function_statement (function_name) @name "{" @body) @function
((function_statement (function_name) @name "{" @body . (comment) @doc) @function (#match? @doc "^<#"))

(class_statement . (simple_name) @name "{" @body) @class
(class_property_definition (variable) @name) @property
(class_method_definition (simple_name) @name "{" @body) @method
(enum_statement (simple_name) @name "{" @body) @enum

; $script:Defaults = @{...}; other assignments are steps of a script.
((program (statement_list (pipeline
  (assignment_expression (left_assignment_expression) @name value: (_) @body) @variable)))
  (#match? @name "^\\$[\\w:]+$") (#match? @body "^(@\\(|@?\\{)"))

((command
  command_name: (command_name) @_command
  command_elements: (command_elements
    . (command_argument_sep)
    . (array_literal_expression (unary_expression (string_literal) @name))
    (array_literal_expression (unary_expression (script_block_expression))) @body .)) @test
  (#match? @_command "^(?i:describe|context|it)$"))
((command
  command_name: (command_name) @_command
  command_elements: (command_elements
    . (command_argument_sep)
    . (generic_token) @name
    (array_literal_expression (unary_expression (script_block_expression))) @body .)) @function
  (#match? @_command "^(?i:configuration)$"))
