--- vim.ui.select: always there, and whatever a user has put in its place. It has no prompt, so a question is asked first.
local M = {}

local rows = require('meaning.rows')

function M.is_installed()
  return true
end

function M.list(title, entries)
  vim.ui.select(entries, { prompt = title, kind = 'meaning', format_item = rows.line }, function(entry)
    if entry then
      rows.jump(entry)
    end
  end)
end

function M.live(question, ask)
  if question == '' then
    return vim.ui.input({ prompt = 'Find by meaning: ' }, function(typed)
      if typed and vim.trim(typed) ~= '' then
        M.live(typed, ask)
      end
    end)
  end
  ask(question, function(entries, title)
    if #entries == 0 then
      return rows.none(title)
    end
    M.list(title, entries)
  end)
end

return M
