--- vim.ui.select: always there, and whatever a user has put in its place. It has no prompt, so a question is asked first.
local M = {}

local rows = require('meaning.rows')

function M.is_installed()
  return true
end

function M.list(title, entries)
  -- Neovim's own vim.ui.select is a numbered list below the text: what does not fit on the screen has to be paged.
  local shown = vim.list_slice(entries, 1, math.max(5, vim.o.lines - 4))
  local function format_item(entry)
    return vim.fn.strcharpart(rows.line(entry), 0, vim.o.columns - 6)
  end
  vim.ui.select(shown, { prompt = title, kind = 'meaning', format_item = format_item }, function(entry)
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
