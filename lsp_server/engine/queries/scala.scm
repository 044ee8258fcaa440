; Scala 2 and 3. What a class, trait or object holds are its members; a value in a method is not.

[(comment) (block_comment)] @comment
(annotation) @attribute
[(import_declaration) (export_declaration) (package_clause !body)] @import
(package_clause name: (_) @name body: (_) @body) @package

(class_definition name: (_) @name body: (_)? @body) @class
(trait_definition name: (_) @name body: (_)? @body) @trait
(object_definition name: (_) @name body: (_)? @body) @object
(package_object name: (_) @name body: (_)? @body) @object
(enum_definition name: (_) @name body: (_)? @body) @enum
(enum_case_definitions . (_ name: (_) @name)) @constant
(type_definition name: (_) @name) @type

(function_definition name: (_) @name body: (_) @body) @function
(function_declaration name: (_) @name) @function
(block (function_definition name: (_) @name) @function @minor)
(indented_block (function_definition name: (_) @name) @function @minor)
((function_definition name: (_) @name) @constructor (#eq? @name "this"))
((function_definition (annotation name: (_) @_annotation) name: (_) @name) @test (#eq? @_annotation "Test"))

; given ordering: Ordering[Int] with ..., given Ordering[String] with ...
(given_definition name: (_) @name body: (_)? @body) @object
(given_definition !name "given" @name return_type: [(type_identifier) (generic_type)] @name body: (_)? @body) @object

; extension (text: String) ...: its methods are methods of String.
(extension_definition
  "extension" @name
  parameters: (parameters (parameter type: (_) @label)) @name
  body: (_) @body) @class

(compilation_unit (val_definition pattern: (identifier) @name value: (_) @body) @constant)
(package_clause body: (_ (val_definition pattern: (identifier) @name value: (_) @body) @constant))
(template_body (val_definition pattern: (identifier) @name value: (_) @body) @constant)
; Constants begin with a capital, as they are matched by.
((object_definition body: (_ (val_definition pattern: (identifier) @name value: (_) @body) @constant @unit))
  (#match? @name "^[A-Z]"))
(template_body (val_declaration name: (identifier) @name) @property)
(class_definition body: (_ (val_definition pattern: (identifier) @name) @property))
(trait_definition body: (_ (val_definition pattern: (identifier) @name) @property))
(class_definition body: (_ (var_definition pattern: (identifier) @name value: (_) @body) @property))
(object_definition body: (_ (var_definition pattern: (identifier) @name value: (_) @body) @variable))

; test("adds") {...}, describe("a stack") {...}, suite("all")(...), property("p") = ...
((call_expression
  function: (call_expression function: (identifier) @_f arguments: (arguments . (string) @name))
  arguments: (_) @body) @test
  (#any-of? @_f "test" "it" "they" "describe" "property" "feature" "scenario" "suite" "ignore" "testAsync" "simpleTest"))
((assignment_expression
  left: (call_expression function: (identifier) @_f arguments: (arguments . (string) @name))
  right: (_) @body) @test
  (#eq? @_f "property"))

; "A stack" should "pop" in {...}, "A stack" should {...}, "pop" in {...}
((infix_expression
  left: (infix_expression right: (string) @name)
  operator: (identifier) @_in
  right: (_) @body) @test
  (#any-of? @_in "in" "ignore"))
((infix_expression left: (string) @name operator: (identifier) @_in right: [(block) (indented_block)] @body) @test
  (#any-of? @_in "in" "should" "must" "can" "when" "which" "that" ">>" "-" "ignore"))
