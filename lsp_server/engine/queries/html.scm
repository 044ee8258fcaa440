; HTML: parts of a page that have a purpose of their own. A div with an id may be the whole page, so it is none; its lines
; are found as blocks.

(comment) @comment
(doctype) @prologue
((element (start_tag (tag_name) @_tag)) @import (#any-of? @_tag "meta" "link" "base"))
((element (self_closing_tag (tag_name) @_tag)) @import (#any-of? @_tag "meta" "link" "base"))
((script_element (start_tag) . (raw_text) @_code) @import (#not-match? @_code "\\S"))

((element (start_tag (tag_name) @_head) (element (start_tag (tag_name) @_title) . (text) @doc)) @file
  (#eq? @_head "head") (#eq? @_title "title"))

; <h2>Reading files</h2>, <h2><a href="#reading">Reading files</a></h2>, <h2><a href="#reading">#</a> Reading</h2>,
; <h2>The <code>open</code> call</h2>
((element (start_tag (tag_name) @_tag) . [
    (text) @name
    (element . (start_tag) . (text) @name)
  ]) @section
  (#match? @_tag "^[hH][1-6]$"))
((element (start_tag (tag_name) @_tag) . (element) . (text) @name) @section
  (#match? @_tag "^[hH][1-6]$"))
((element (start_tag (tag_name) @_tag) . [
    (element . (start_tag) . (text) @name . (_) . (text) @name . (end_tag))
    ((text) @name . (_) . (text) @name)
  ] . (end_tag)) @section
  (#match? @_tag "^[hH][1-6]$"))
; In a section that is found by its id, the heading is only its first line. (Attributes are looked at in the first places
; only: a pattern that goes on behind any attribute is cubic in their number.)
((element
  (start_tag . (tag_name) @_section . (attribute)? . (attribute (attribute_name) @_attribute))
  . (element (start_tag (tag_name) @_tag) . (_) @name) @section @minor)
  (#match? @_section "^(section|article|aside)$") (#eq? @_attribute "id") (#match? @_tag "^[hH][1-6]$"))

(script_element (start_tag (tag_name) @name) (raw_text) @body) @element @minor
(style_element (start_tag (tag_name) @name) (raw_text) @body) @element @minor
((element (start_tag (tag_name) @name) . (_) @body) @element @minor
  (#match? @name "^(form|template|dialog|nav|footer)$"))

; The action of a form, the name of a slot; an id is better than both.
((element
  (start_tag
    . (tag_name) @_tag . (attribute)? . (attribute)? . (attribute)?
    . (attribute
      (attribute_name) @_attribute
      [(attribute_value) @name (quoted_attribute_value (attribute_value) @name)]))
  . (_) @body) @element @minor
  (#match? @_tag "^(form|template|dialog)$") (#match? @_attribute "^(action|name|aria-label)$"))
((element
  (start_tag
    . (tag_name) @_tag . (attribute)? . (attribute)? . (attribute)?
    . (attribute
      (attribute_name) @_attribute
      [(attribute_value) @name (quoted_attribute_value (attribute_value) @name)]))
  . (_) @body) @element @minor
  (#match? @_tag "^(section|article|aside|nav|header|footer|form|fieldset|dialog|template|table|details|figure|\\w+-[-\\w]+)$")
  (#eq? @_attribute "id"))
((script_element
  (start_tag . (tag_name) . (attribute)? . (attribute
    (attribute_name) @_attribute
    [(attribute_value) @name (quoted_attribute_value (attribute_value) @name)]))
  (raw_text) @body) @element @minor
  (#eq? @_attribute "id"))
