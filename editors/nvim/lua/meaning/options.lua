--- What a user may choose. Everything has a default; require('meaning').setup({ ... }) changes some.
local defaults = {
  cmd = { 'meaning-ls' }, -- how the server is started
  settings = false, -- its settings, e.g. { meaning = { exclude = { 'vendor/**' } } }
  autostart = true, -- start it for files of a project; false: you do, by vim.lsp.enable('meaning_ls') or vim.lsp.start()
  picker = 'auto', -- 'telescope', 'fzf-lua', 'snacks' or 'select' (vim.ui.select); auto: the first that is installed
  limit = 30, -- rows of an answer, 1 to 200
}

local M = setmetatable({}, { __index = defaults })

--- Take changes; one that is no option is told.
---@param changes table|nil
function M.set(changes)
  for name, value in pairs(changes or {}) do
    if defaults[name] == nil then
      vim.notify(('meaning: there is no option %q; see :help meaning-options'):format(name), vim.log.levels.WARN)
    else
      rawset(M, name, value)
    end
  end
end

return M
