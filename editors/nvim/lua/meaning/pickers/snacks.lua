--- snacks.nvim: rows as one types, never sorted or filtered again. Ctrl-Q puts them into the quickfix list.
local M = {}

function M.is_installed()
  local is_there, snacks = pcall(require, 'snacks')
  return is_there and snacks.picker ~= nil
end

local function item(one)
  return {
    text = require('meaning.rows').line(one),
    file = one.filename,
    pos = { one.lnum, one.col - 1 },
    line = require('meaning.rows').quickfix(one).text,
    entry = one,
  }
end

local function format(shown)
  local one = shown.entry
  return {
    { one.name, 'Function' },
    { '  ' },
    { ('%s:%d'):format(one.path, one.lnum), 'SnacksPickerDir' },
    { '  ' },
    { one.says },
  }
end

function M.live(question, ask)
  require('snacks').picker.pick({
    title = 'Find by meaning',
    search = question,
    live = true,
    supports_live = true,
    format = format,
    preview = 'file',
    -- As they came.
    matcher = { sort_empty = false },
    sort = { fields = { 'idx' } },
    finder = function(_, context)
      local query = context.filter.search
      return function(add)
        local task = context.async
        local take_back, found = nil, {}
        task:on('abort', vim.schedule_wrap(function()
          if take_back then
            take_back()
          end
        end))
        vim.schedule(function()
          take_back = ask(query, function(entries)
            found = entries
            task:resume()
          end)
        end)
        task:suspend()
        for _, one in ipairs(found) do
          add(item(one))
        end
      end
    end,
  })
end

function M.list(title, entries)
  require('snacks').picker.pick({
    title = title,
    items = vim.tbl_map(item, entries),
    format = format,
    preview = 'file',
  })
end

return M
