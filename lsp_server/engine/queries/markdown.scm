; Markdown: a section reaches from its heading to the next one of its level; its first paragraph is its doc. The grammar
; makes no sections of underlined headings: they reach to the next heading.

(section . (atx_heading heading_content: (inline) @name)) @section
(section . (atx_heading heading_content: (inline) @name) . (_) @body) @section
; The core takes the quotes off a doc, and a first word in `quotes` must keep them.
((section . (atx_heading heading_content: (inline) @name) . (paragraph (inline) @doc)) @section
  (#not-match? @doc "^[A-Za-z@~%]{0,10}\\s*[\"'`]"))

(section (setext_heading heading_content: (paragraph (inline) @name)) @section @reaches)
(section (setext_heading heading_content: (paragraph (inline) @name)) @section @reaches . (_) @body)
((section (setext_heading heading_content: (paragraph (inline) @name)) @section @reaches . (paragraph (inline) @doc))
  (#not-match? @doc "^[A-Za-z@~%]{0,10}\\s*[\"'`]"))
