-- The plugin where the program that it needs is not installed.

local drive = dofile(vim.fn.fnamemodify(debug.getinfo(1).source:sub(2), ':h') .. '/drive.lua')
local facts, seen = drive.facts, drive.seen

drive.run(function()
  drive.edit(facts.file)
  vim.wait(300)
  seen.unasked = vim.deepcopy(seen.messages)
  seen.status = require('meaning').status()
  vim.cmd('FindByMeaning anything')
  vim.cmd('checkhealth meaning')
  seen.health = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n')
end)
