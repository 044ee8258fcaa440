; Rust: an impl is an `object` named by its header, so that it is no second definition of its type; its methods have the
; type as their container. Functions under #[test] and #[tokio::test] are tests.

[(line_comment) (block_comment)] @comment
(attribute_item) @attribute
(inner_attribute_item) @prologue
[(use_declaration) (extern_crate_declaration)] @import
(mod_item !body) @import

(mod_item name: (_) @name body: (_) @body) @module
(struct_item name: (_) @name) @struct
(struct_item name: (_) @name body: (field_declaration_list) @body) @struct
(union_item name: (_) @name body: (_) @body) @union
(enum_item name: (_) @name body: (_) @body) @enum
(trait_item name: (_) @name body: (_) @body) @trait
(impl_item "impl" @name type: (_) @name @label body: (_) @body) @object
(type_item name: (_) @name) @type @declares

(source_file (const_item name: (_) @name) @constant)
(source_file (static_item name: (_) @name) @constant)
(mod_item body: (_ (const_item name: (_) @name) @constant))
(mod_item body: (_ (static_item name: (_) @name) @constant))
(impl_item body: (_ (const_item name: (_) @name) @constant))

(function_item name: (_) @name body: (_) @body) @function
(function_signature_item name: (_) @name) @function @declares
(macro_definition name: (_) @name . (macro_rule) @body) @macro

((attribute_item (attribute [(identifier) @_test (scoped_identifier name: (_) @_test)]))
  . (attribute_item)*
  . (line_comment)*
  . (function_item name: (_) @name body: (_) @body) @test
  (#any-of? @_test "test" "rstest" "bench" "quickcheck" "test_case" "wasm_bindgen_test"))
