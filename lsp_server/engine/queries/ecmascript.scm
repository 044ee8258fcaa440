; What JavaScript and TypeScript share; `javascript` and `typescript` add what their grammars call differently.
; Functions are often values here: of a const, a property, a prototype, an export.

(comment) @comment
(hash_bang_line) @prologue
(program (expression_statement (string)) @prologue)
(import_statement) @import
(export_statement source: (_)) @import
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

(function_declaration name: (_) @name body: (_) @body) @function @merge
(generator_function_declaration name: (_) @name body: (_) @body) @function
(class_body (method_definition name: (_) @name body: (_) @body) @method @merge)
((class_body (method_definition name: (property_identifier) @name) @constructor @merge) (#eq? @name "constructor"))
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
  left: [(member_expression) (identifier)] @name @qualified
  right: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @function
(assignment_expression left: [(member_expression) (identifier)] @name @qualified right: (class body: (_) @body)) @class

; { load() {...}, save: function () {...} }
(pair
  key: [(property_identifier) (string) (private_property_identifier)] @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @function @minor

(export_statement "default" @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @function
(export_statement "default" @name value: (class body: (_) @body)) @class

; describe("parser", () => {...}), it("reads an empty line", ...), test.only(...)
((call_expression
  function: [(identifier) @_call (member_expression object: (identifier) @_call)]
  arguments: (arguments
    . [(string) (template_string)] @name
    [(arrow_function body: (_) @body) (function_expression body: (_) @body)])) @test
  (#any-of? @_call "describe" "it" "test" "suite" "context" "specify" "fdescribe" "xdescribe" "fit" "xit"))
