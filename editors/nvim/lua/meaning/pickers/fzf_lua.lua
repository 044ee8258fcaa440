--- fzf-lua: rows as one types (fzf itself filters nothing then). Lines are `path:line:column:text`, which its previewer
--- and its actions understand; Ctrl-Q puts them into the quickfix list.
local M = {}

function M.is_installed()
  return (pcall(require, 'fzf-lua'))
end

local function line(one)
  return ('%s:%d:%d:%s  %s'):format(one.path, one.lnum, one.col, one.name, one.says)
end

local function settings(title)
  local actions = require('fzf-lua').actions
  return {
    prompt = '> ',
    winopts = { title = (' %s '):format(title) },
    previewer = 'builtin',
    -- fzf keeps the order in which lines come.
    fzf_opts = { ['--no-sort'] = true, ['--delimiter'] = ':', ['--multi'] = true },
    actions = {
      ['enter'] = actions.file_edit_or_qf,
      ['ctrl-s'] = actions.file_split,
      ['ctrl-v'] = actions.file_vsplit,
      ['ctrl-t'] = actions.file_tabedit,
      ['ctrl-q'] = { fn = actions.file_sel_to_qf, prefix = 'select-all' },
    },
  }
end

function M.live(question, ask)
  local take_back = function() end
  local choices = settings('Find by meaning')
  choices.query = question
  choices.exec_empty_query = true
  -- Until 2025 `add` ran in a coroutine of fzf-lua's, and lines that come later than that could not be added.
  choices.func_async_callback = false
  require('fzf-lua').fzf_live(function(typed)
    -- Since 2025 the question is the first of a list.
    local query = type(typed) == 'table' and typed[1] or typed
    return function(add)
      vim.schedule(function()
        take_back()
        local cancel = ask(query or '', function(entries)
          for _, one in ipairs(entries) do
            add(line(one))
          end
          add()
        end)
        take_back = function()
          cancel()
          add() -- the end of lines, without which fzf-lua keeps a pipe open
        end
      end)
    end
  end, choices)
end

function M.list(title, entries)
  require('fzf-lua').fzf_exec(vim.tbl_map(line, entries), settings(title))
end

return M
