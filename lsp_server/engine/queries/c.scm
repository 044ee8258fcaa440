; C. The preprocessor is not run: macros before names are blanked (macros.py), both branches of an #if are seen.

(comment) @comment
(preproc_include) @import
((preproc_call directive: (_) @_directive) @prologue (#eq? @_directive "#pragma"))
(translation_unit . (comment)* . (preproc_ifdef "#ifndef" @prologue name: (_) @prologue . (preproc_def !value) @prologue))
["#if" "#ifdef" "#ifndef" "#elif" "#else" "#endif"] @import
(linkage_specification "extern" @import)

(preproc_def name: (_) @name value: (_)) @macro
(preproc_function_def name: (_) @name value: (_) @body) @macro

(struct_specifier name: (_) @name body: (_) @body) @struct
(union_specifier name: (_) @name body: (_) @body) @union
(enum_specifier name: (_) @name body: (_) @body) @enum

(type_definition type: (_) . declarator: [
  (type_identifier) @name
  (pointer_declarator declarator: (type_identifier) @name)
  (array_declarator declarator: (type_identifier) @name)
  (function_declarator declarator: (type_identifier) @name)
  (function_declarator declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name)))
]) @type @declares
; typedef struct tag {...} name; is one thing, found by the name that people use.
(type_definition type: (struct_specifier body: (_) @body) @struct @inner . declarator: (type_identifier) @name) @outer
(type_definition type: (union_specifier body: (_) @body) @union @inner . declarator: (type_identifier) @name) @outer
(type_definition type: (enum_specifier body: (_) @body) @enum @inner . declarator: (type_identifier) @name) @outer

; Prototypes.
(declaration declarator: [
  (function_declarator declarator: (identifier) @name)
  (pointer_declarator declarator: (function_declarator declarator: (identifier) @name))
  (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator declarator: (identifier) @name)))
]) @function @declares

(function_definition
  declarator: [
    (function_declarator declarator: (identifier) @name)
    (pointer_declarator declarator: (function_declarator declarator: (identifier) @name))
    (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator declarator: (identifier) @name)))
    (function_declarator declarator: (parenthesized_declarator (pointer_declarator
      declarator: (function_declarator declarator: (identifier) @name))))
  ]
  body: (_) @body) @function

; Tables and other initialised values at the top.
(translation_unit (declaration declarator: (init_declarator declarator: [
  (identifier) @name
  (array_declarator declarator: (identifier) @name)
  (pointer_declarator declarator: (identifier) @name)
  (pointer_declarator declarator: (array_declarator declarator: (identifier) @name))
  (array_declarator declarator: (array_declarator declarator: (identifier) @name))
])) @variable)
(preproc_ifdef (declaration declarator: (init_declarator declarator: [
  (identifier) @name
  (array_declarator declarator: (identifier) @name)
  (pointer_declarator declarator: (identifier) @name)
  (pointer_declarator declarator: (array_declarator declarator: (identifier) @name))
  (array_declarator declarator: (array_declarator declarator: (identifier) @name))
])) @variable)

; SYSCALL_DEFINE3(read, ...) {...} and TEST_IMPL(tcp_open) {...}: a macro that makes a function.
((expression_statement (call_expression function: (identifier) @_macro arguments: (argument_list . (identifier) @name)))
  @function . (compound_statement) @body
  (#match? @_macro "^[A-Z][A-Z0-9_]+$"))
((expression_statement (call_expression function: (identifier) @_macro arguments: (argument_list . (_) @name (_)? @name .)))
  @test . (compound_statement) @body
  (#match? @_macro "TEST|SCENARIO|BENCHMARK|^Test$"))
