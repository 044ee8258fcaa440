; PHP. Text outside of <?php ... ?> is no symbol: it is found as blocks.

(comment) @comment
(attribute_list) @attribute
(php_tag) @prologue
(declare_statement) @prologue
[(namespace_use_declaration) (use_declaration)] @import
(namespace_definition !body) @import
(expression_statement [(require_expression) (require_once_expression) (include_expression) (include_once_expression)]) @import

(namespace_definition name: (_) @name body: (_) @body) @namespace
(class_declaration name: (_) @name body: (_) @body) @class
(interface_declaration name: (_) @name body: (_) @body) @interface
(trait_declaration name: (_) @name body: (_) @body) @trait
(enum_declaration name: (_) @name body: (_) @body) @enum

(function_definition name: (_) @name body: (_) @body) @function
(method_declaration name: (_) @name) @method @declares
(method_declaration name: (_) @name body: (_) @body) @method
((method_declaration name: (_) @name body: (_) @body) @constructor (#eq? @name "__construct"))

(const_declaration (const_element . (name) @name)) @constant @unit
((expression_statement (function_call_expression
  function: (name) @_define
  arguments: (arguments . (argument (string (string_content) @name))))) @constant
  (#eq? @_define "define"))

(expression_statement (assignment_expression
  left: (variable_name (name) @name)
  right: [(anonymous_function body: (_) @body) (arrow_function body: (_) @body)])) @function

; Tests of PHPUnit and Pest.
((method_declaration name: (_) @name body: (_) @body) @test
  (#match? @name "^test(_|[A-Z])"))
((method_declaration
  attributes: (attribute_list (attribute_group (attribute (name) @_attribute)))
  name: (_) @name
  body: (_) @body) @test
  (#eq? @_attribute "Test"))
((expression_statement (function_call_expression
  function: (name) @_call
  arguments: (arguments
    . (argument [(string) (encapsed_string)] @name)
    . (argument [(anonymous_function body: (_) @body) (arrow_function body: (_) @body)])))) @test
  (#any-of? @_call "it" "test" "describe"))
