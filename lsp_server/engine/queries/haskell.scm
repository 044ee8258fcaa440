; Haskell: a type signature and the equations that follow it are one function. An instance is an `object` named by its
; header, so that it is no second definition of its class.

[(comment) (haddock)] @comment
(pragma) @prologue
(header) @import
(import) @import

(data_type name: (_) @name) @struct
(newtype name: (_) @name) @struct
(type_synonym name: (_) @name) @type
(type_family name: (_) @name) @type
(data_family name: (_) @name) @type
(class name: (_) @name declarations: (_) @body) @class
(class name: (_) @name) @class
(instance "instance" @name name: (_) @label patterns: (_) @name) @object
(instance "instance" @name name: (_) @label patterns: (_) @name declarations: (_) @body) @object

(declarations (signature name: (_) @name) @function @merge)
(declarations (signature name: (prefix_id (operator) @name)) @function @merge)
(class_declarations (signature name: (_) @name) @function @declares @merge)
(class_declarations (signature name: (prefix_id (operator) @name)) @function @declares @merge)
(function name: (_) @name match: (_) @body) @function @merge
(function (infix operator: (operator) @name) match: (_) @body) @function @merge
(declarations (bind name: (_) @name match: (_) @body) @function @merge)
(instance_declarations (bind name: (_) @name match: (_) @body) @function @merge)
(class_declarations (bind name: (_) @name match: (_) @body) @function @merge)
(pattern_synonym (equation synonym: (apply function: (_) @name))) @function
(foreign_import signature: (signature name: (_) @name)) @function
