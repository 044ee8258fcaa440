; YAML: keys of the first two levels if they hold three lines or more (jobs of a workflow, services of a compose file),
; one object per Kubernetes manifest, and the named steps of an Ansible play. Smaller keys stay in what holds them.

(comment) @comment
(document "---" @prologue)
[(yaml_directive) (tag_directive) (reserved_directive)] @prologue

; Of a manifest, `metadata` says only again what the object is called.
((document (block_node (block_mapping (block_mapping_pair key: (flow_node) @name value: (_) @body) @key @minor)))
  (#not-eq? @name "metadata"))

(document (block_node (block_mapping (block_mapping_pair
  value: (block_node (block_mapping
    (block_mapping_pair key: (flow_node) @name value: (_) @body) @key @minor))))))

; What is no YAML before a template engine has been through it has no document.
(ERROR (block_mapping_pair key: (flow_node) @name value: (_) @body) @key @minor)

; OpenAPI: operations and schemas stand one level deeper.
((document (block_node (block_mapping (block_mapping_pair
  key: (flow_node) @_top
  value: (block_node (block_mapping (block_mapping_pair
    value: (block_node (block_mapping
      (block_mapping_pair key: (flow_node) @name value: (_) @body) @key @minor)))))))))
  (#any-of? @_top "paths" "components"))

; kind: Service, metadata: {name: web}
((document (block_node (block_mapping
  (block_mapping_pair key: (flow_node) @_kind value: (flow_node) @scope)
  . (block_mapping_pair key: (flow_node) @_metadata
    value: (block_node (block_mapping (block_mapping_pair key: (flow_node) @_name value: (flow_node) @name)))))) @object)
  (#eq? @_kind "kind") (#eq? @_metadata "metadata") (#eq? @_name "name"))

; - name: install the server
((document (block_node (block_sequence
  (block_sequence_item (block_node (block_mapping
    . (block_mapping_pair key: (flow_node) @_key value: (flow_node) @name)))) @object @minor)))
  (#any-of? @_key "name" "hosts" "id" "alias"))
((document (block_node (block_sequence (block_sequence_item (block_node (block_mapping
  (block_mapping_pair
    key: (flow_node) @_tasks
    value: (block_node (block_sequence
      (block_sequence_item (block_node (block_mapping
        . (block_mapping_pair key: (flow_node) @_key value: (flow_node) @name)))) @object @minor)))))))))
  (#any-of? @_tasks "tasks" "pre_tasks" "post_tasks" "handlers" "block") (#any-of? @_key "name" "id" "alias"))
