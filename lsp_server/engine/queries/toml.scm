; TOML: tables, and values that fill several lines. Single keys say little by themselves: they stay in their table.

(comment) @comment

(table . [(bare_key) (dotted_key) (quoted_key)] @name . (comment)* . (pair)? @body) @table
(table_array_element . [(bare_key) (dotted_key) (quoted_key)] @name . (comment)* . (pair)? @body) @table

; [[bin]] name = "server": many elements share one key, so what they call themselves tells them apart.
((table_array_element
  . [(bare_key) (dotted_key) (quoted_key)] @scope
  . (comment)*
  . (pair . (bare_key) @_key (string) @name)) @table
  (#any-of? @_key "name" "id" "title" "module" "key" "path"))

(document (pair . [(bare_key) (dotted_key) (quoted_key)] @name [(array) (inline_table) (string)] @body) @key @minor)
(table (pair . [(bare_key) (dotted_key) (quoted_key)] @name [(array) (inline_table) (string)] @body) @key @minor)
(table_array_element
  (pair . [(bare_key) (dotted_key) (quoted_key)] @name [(array) (inline_table) (string)] @body) @key @minor)
