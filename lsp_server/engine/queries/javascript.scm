; JavaScript and JSX. Functions are often values here: of a const, a property, a prototype, an export.

(comment) @comment
(hash_bang_line) @prologue
(import_statement) @import
(program (expression_statement (string)) @prologue)
((program (lexical_declaration (variable_declarator value: (_) @_value)) @import) (#match? @_value "^require\\("))
((program (variable_declaration (variable_declarator value: (_) @_value)) @import) (#match? @_value "^require\\("))

(export_statement [declaration: (_) value: (_)] @inner) @outer
(decorator) @attribute
(lexical_declaration . (variable_declarator) @inner .) @outer
(variable_declaration . (variable_declarator) @inner .) @outer
(expression_statement . (assignment_expression) @inner) @outer
(expression_statement . (call_expression) @inner) @outer

; Values at the top.
(program (lexical_declaration (variable_declarator name: (identifier) @name) @constant))
(program (variable_declaration (variable_declarator name: (identifier) @name) @constant))
(export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @constant))

(class_declaration name: (_) @name body: (_) @body) @class
(class_body (field_definition property: (_) @name) @field)

(function_declaration name: (_) @name body: (_) @body) @function
(generator_function_declaration name: (_) @name body: (_) @body) @function
(class_body (method_definition name: (_) @name body: (_) @body) @method)
((method_definition name: (property_identifier) @name) @constructor (#eq? @name "constructor"))
(object (method_definition name: (_) @name body: (_) @body) @function @minor)

(variable_declarator
  name: (identifier) @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @function
(variable_declarator name: (identifier) @name value: (class body: (_) @body)) @class

; exports.parse = function, Route.prototype.match = function, app.use = () =>
(assignment_expression
  left: (member_expression property: (_)) @name @qualified
  right: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @function
(assignment_expression left: (identifier) @name right: [(function_expression body: (_) @body) (arrow_function body: (_) @body)]) @function
(assignment_expression left: (member_expression) @name @qualified right: (class body: (_) @body)) @class

(class_body (field_definition property: (_) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @method)
(pair key: [(property_identifier) (string) (private_property_identifier)] @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @function @minor

(export_statement "default" @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
  ]) @function
(export_statement "default" @name value: (class body: (_) @body)) @class

; describe("parser", () => {...}), it("reads an empty line", ...), test.only(...)
((call_expression
  function: [(identifier) @_f (member_expression object: (identifier) @_f)]
  arguments: (arguments
    . [(string) (template_string)] @name
    [(arrow_function body: (_) @body) (function_expression body: (_) @body)])) @test
  (#any-of? @_f "describe" "it" "test" "suite" "context" "specify" "fdescribe" "xdescribe" "fit" "xit"))
