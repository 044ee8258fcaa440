; Shell: functions, the variables that a script sets for everybody, and the tests of bats, shunit2 and sharness.

(comment) @comment
((command name: (command_name (word) @_name)) @import
  (#any-of? @_name "source" "." "set" "shopt" "setopt" "load" "bats_load_library" "bats_require_minimum_version"))

(declaration_command (word)* . (variable_assignment) @inner .) @outer

; What everybody sets says nothing about a script.
((program (variable_assignment name: (variable_name) @name) @variable)
  (#not-match? @name "^(PATH|IFS|PS[0-4]|LC_ALL|LANG)$"))
((program (declaration_command ["export" "declare" "typeset"] (variable_assignment name: (variable_name) @name) @variable))
  (#not-match? @name "^(PATH|IFS|PS[0-4]|LC_ALL|LANG)$"))
(program (declaration_command "readonly" (variable_assignment name: (variable_name) @name) @constant))
((program (declaration_command (word) @_flags (variable_assignment name: (variable_name) @name) @constant))
  (#match? @_flags "^-[aAgix]*r"))

(function_definition name: (word) @name body: (_) @body) @function
((function_definition name: (word) @name) @test (#match? @name "^test[A-Z]"))

; @test "adds two numbers" {            the grammar reads a command; its closing brace is another one
((command
  name: (command_name (word) @_name)
  . argument: [(string) (raw_string)] @name) @test
  (#eq? @_name "@test"))
; test_expect_success 'reads an empty file' '...'
((command
  name: (command_name (word) @_name)
  argument: [(string) (raw_string)] @name
  . argument: [(string) (raw_string)] @body .) @test
  (#any-of? @_name "test_expect_success" "test_expect_failure"))
