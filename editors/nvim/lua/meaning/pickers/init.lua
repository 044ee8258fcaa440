--- Pickers: show rows, in the order of the server, in whatever the user has. Each has
---   is_installed()         whether it can be used
---   live(question, ask)    rows for what is typed; ask(question, callback) -> function that takes the question back
---   list(title, entries)   rows that are there
local M = {}

local options = require('meaning.options')

local MODULES = {
  telescope = 'meaning.pickers.telescope',
  ['fzf-lua'] = 'meaning.pickers.fzf_lua',
  snacks = 'meaning.pickers.snacks',
  select = 'meaning.pickers.select',
}
M.NAMES = { 'telescope', 'fzf-lua', 'snacks', 'select' } -- in the order in which `auto` looks for them

--- The name of the picker that is used, and its module.
function M.chosen()
  for _, name in ipairs(options.picker == 'auto' and M.NAMES or { options.picker }) do
    local picker = MODULES[name] and require(MODULES[name])
    if picker and picker.is_installed() then
      return name, picker
    end
  end
  vim.notify(('meaning: the picker %q cannot be used'):format(options.picker), vim.log.levels.WARN)
  return 'select', require(MODULES.select)
end

function M.live(question, ask)
  local _, picker = M.chosen()
  picker.live(question, ask)
end

function M.list(title, entries)
  local _, picker = M.chosen()
  picker.list(title, entries)
end

return M
