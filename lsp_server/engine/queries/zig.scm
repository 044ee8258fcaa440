; Zig: types are values of constants, or what a function returns. Fields are in the body of their type.

(comment) @comment
; const mem = std.mem; what is public may be looked for under the new name.
(source_file (variable_declaration . "const" . (identifier) . "=" . (field_expression)) @import)

(function_declaration name: (identifier) @name body: (_)? @body) @function
; fn List(comptime T: type) type { return struct {...}; }
(function_declaration
  name: (identifier) @name
  body: (block (expression_statement (return_expression (struct_declaration)))) @body) @struct

(test_declaration [(string) (identifier)] @name (block) @body) @test

(source_file (variable_declaration "const" . (identifier) @name) @constant)
(struct_declaration (variable_declaration "const" . (identifier) @name) @constant)
(enum_declaration (variable_declaration "const" . (identifier) @name) @constant)
(union_declaration (variable_declaration "const" . (identifier) @name) @constant)
(opaque_declaration (variable_declaration "const" . (identifier) @name) @constant)
(source_file (variable_declaration "var" . (identifier) @name) @variable)
(struct_declaration (variable_declaration "var" . (identifier) @name) @variable)

(variable_declaration "const" . (identifier) @name "=" . (struct_declaration "{" @body)) @struct
(variable_declaration "const" . (identifier) @name "=" . (opaque_declaration "{" @body)) @struct
(variable_declaration "const" . (identifier) @name "=" . (enum_declaration "{" @body)) @enum
(variable_declaration "const" . (identifier) @name "=" . (union_declaration "{" @body)) @union
(variable_declaration "const" . (identifier) @name "=" . (error_set_declaration "{" @body)) @enum

; const std = @import("std"); const Self = @This(); marked as minor, so the line is no constant.
((variable_declaration (identifier) @name . "=" . (builtin_function (builtin_identifier) @_f)) @constant @minor @import
  (#any-of? @_f "@import" "@This"))
