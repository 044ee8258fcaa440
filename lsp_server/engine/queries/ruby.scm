; Ruby: modules, classes and methods, and the calls that define something: Struct.new, define_method, tests, tasks.

((comment) @comment (#not-match? @comment "^# *(-[*]-|(frozen_string_literal|(en)?coding|typed|warn_indent|shareable_constant_value):)"))
((comment) @prologue (#match? @prologue "^# *(-[*]-|(frozen_string_literal|(en)?coding|typed|warn_indent|shareable_constant_value):)"))
((call !receiver method: (identifier) @_method) @import
  (#any-of? @_method "require" "require_relative" "autoload" "load"))
; A signature of Sorbet, a description of Rake or Thor.
((call !receiver method: (identifier) @_method block: (_)) @attribute (#eq? @_method "sig"))
((call !receiver method: (identifier) @_method arguments: (argument_list . (string (string_content) @doc))) @comment
  (#any-of? @_method "desc" "long_desc"))

; private def secret
(call !receiver arguments: (argument_list . [(method) (singleton_method)] @inner .)) @outer

(module name: (constant) @name body: (_)? @body) @module
(module name: (scope_resolution) @name @qualified body: (_)? @body) @module
(class name: (constant) @name body: (_)? @body) @class
(class name: (scope_resolution) @name @qualified body: (_)? @body) @class

(assignment left: (constant) @name) @constant
((assignment
  left: (constant) @name
  right: (call receiver: (constant) @_receiver method: (identifier) @_method block: (_)? @body)) @class
  (#eq? @_receiver "Class") (#eq? @_method "new"))
((assignment
  left: (constant) @name
  right: (call receiver: (constant) @_receiver method: (identifier) @_method block: (_)? @body)) @struct
  (#any-of? @_receiver "Struct" "Data") (#any-of? @_method "new" "define"))
((call !receiver method: (identifier) @_method arguments: (argument_list . (simple_symbol) @name)) @property
  (#any-of? @_method "attr_reader" "attr_writer" "attr_accessor"))

(method name: (_) @name body: (_)? @body) @function
(singleton_method name: (_) @name body: (_)? @body) @function
((method name: (identifier) @name) @constructor (#eq? @name "initialize"))
((call
  !receiver
  method: (identifier) @_method
  arguments: (argument_list . [(simple_symbol) (string)] @name)
  block: (_) @body) @function
  (#any-of? @_method "define_method" "define_singleton_method"))

; RSpec, minitest, Rails
((method name: (identifier) @name) @test (#match? @name "^test_"))
((call
  method: (identifier) @_method
  arguments: (argument_list . [(string) (constant) (scope_resolution) (simple_symbol)] @name)
  block: (_) @body) @test
  (#any-of? @_method "describe" "context" "it" "specify" "example" "test" "should" "feature" "scenario" "shared_examples"
    "shared_examples_for" "shared_context" "fdescribe" "xdescribe" "fit" "xit"))

; Rake, Rails
((call
  !receiver
  method: (identifier) @_method
  arguments: (argument_list . [
    [(simple_symbol) (string)] @name
    (pair key: (_) @name)
  ])
  block: (_) @body) @function
  (#any-of? @_method "task" "multitask"))
((call
  !receiver
  method: (identifier) @_method
  arguments: (argument_list . [(simple_symbol) (string)] @name)
  block: (_) @body) @namespace
  (#eq? @_method "namespace"))
((call
  !receiver
  method: (identifier) @_method
  arguments: (argument_list . [(simple_symbol) (string)] @name)
  block: (_) @body) @table
  (#eq? @_method "create_table"))
