; JSON: the large parts of a configuration. Only objects and arrays of some lines; what is deeper, and every scalar, is in
; their bodies or in blocks. Lists of packages have a part for each, and say nothing that the package does not say itself.

(comment) @comment

(document (object (pair key: (string) @name value: [(object) (array)] @body) @key @minor))
((document (object (pair
  key: (string) @_parent
  value: (object (pair key: (string) @name value: [(object) (array)] @body) @key @minor))))
  (#not-match? @_parent "^.(packages|dependencies|importers|targets|features)"))
