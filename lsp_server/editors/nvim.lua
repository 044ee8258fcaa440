if vim.lsp.config then -- Neovim 0.11 or newer
  vim.lsp.config('meaning_ls', { cmd = { @command@ }, root_markers = { '.git' } })
  vim.lsp.enable('meaning_ls')
elseif vim.lsp.start then -- Neovim 0.8 to 0.10
  vim.api.nvim_create_autocmd('FileType', {
    group = vim.api.nvim_create_augroup('meaning_ls', {}),
    callback = function(event)
      local file = vim.api.nvim_buf_get_name(event.buf)
      local git = vim.fs.find('.git', { path = vim.fs.dirname(file), upward = true })[1]
      if git and vim.bo[event.buf].buftype == '' then
        vim.lsp.start({ name = 'meaning_ls', cmd = { @command@ }, root_dir = vim.fs.dirname(git) })
      end
    end,
  })
else
  vim.notify('meaning-ls: an older Neovim needs the plugin in editors/nvim of its repository', vim.log.levels.WARN)
end
