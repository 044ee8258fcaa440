---@brief
---
--- meaning-ls finds code by what it does: `workspace/symbol` takes questions in plain words, beside the language
--- servers of the project. It serves every file type and needs a project root.
---
--- ```lua
--- vim.lsp.enable('meaning_ls')
--- -- :lua vim.lsp.buf.workspace_symbol('retry with growing pauses')
--- ```

---@type vim.lsp.Config
return {
  cmd = { 'meaning-ls' },
  root_markers = { '.git' },
  -- Without a project there is nothing to index: no process is started for single files.
  workspace_required = true,
}
