-- Commands and start-up. Loads nothing else until it is needed.

if vim.g.loaded_meaning or vim.fn.has('nvim-0.7') == 0 then
  return
end
vim.g.loaded_meaning = true

vim.api.nvim_create_user_command('FindByMeaning', function(call)
  require('meaning').find(call.args, { quickfix = call.bang })
end, { nargs = '*', bang = true, desc = 'Find code by what it does; with !, into the quickfix list' })

vim.api.nvim_create_user_command('FindSimilar', function(call)
  local lines = call.range > 0 and { call.line1, call.line2 } or nil
  require('meaning').similar({ lines = lines, quickfix = call.bang })
end, { range = true, bang = true, desc = 'Find code like the range, or like the symbol under the cursor' })

-- After start-up, when setup() has been called wherever the user calls it, and files of the command line are open.
local function autostart()
  require('meaning.server').autostart()
end
if vim.v.vim_did_enter == 1 then
  vim.schedule(autostart)
else
  vim.api.nvim_create_autocmd('VimEnter', { once = true, callback = autostart })
end
