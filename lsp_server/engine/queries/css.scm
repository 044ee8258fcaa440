; CSS: rules and the at-rules around them. Rules that set one thing (utility classes) say more beside each other, in a
; block, than alone; unless a comment says what for.

[(comment) (js_comment)] @comment
[(charset_statement) (import_statement) (namespace_statement)] @import

(rule_set (selectors) @name (block (declaration) (declaration)) @body) @rule @minor
(rule_set (selectors) @name (block (rule_set)) @body) @rule @minor
(stylesheet (comment) . (rule_set (selectors) @name (block) @body) @rule @minor)

(media_statement "@media" @name (_) @name . (block) @body) @rule @minor
(supports_statement "@supports" @name (_) @name . (block) @body) @rule @minor
(at_rule (at_keyword) @name (block) @body) @rule @minor
(at_rule (at_keyword) @name [(keyword_query) (feature_query) (binary_query) (parenthesized_query)] @name . (block) @body) @rule @minor

(keyframes_statement "@keyframes" (keyframes_name) @name (keyframe_block_list) @body) @rule @minor
; The copies for old browsers say nothing new.
((keyframes_statement (at_keyword) @_keyword) @import (#match? @_keyword "^@-"))
