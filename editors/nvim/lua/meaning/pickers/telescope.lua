--- Telescope: rows as one types, never sorted or filtered again. Ctrl-Q puts them into the quickfix list.
local M = {}

function M.is_installed()
  return (pcall(require, 'telescope'))
end

local function displayer()
  local display = require('telescope.pickers.entry_display').create({
    separator = '  ',
    items = { { width = 32 }, { width = 36 }, { remaining = true } },
  })
  return function(entry)
    local one = entry.value
    return display({
      { one.name, 'TelescopeResultsFunction' },
      { ('%s:%d'):format(one.path, one.lnum), 'TelescopeResultsComment' },
      one.says,
    })
  end
end

local function maker()
  local display = displayer()
  return function(one)
    return {
      value = one,
      ordinal = require('meaning.rows').line(one),
      display = display,
      filename = one.filename,
      lnum = one.lnum,
      col = one.col,
      text = require('meaning.rows').quickfix(one).text,
    }
  end
end

local function open(settings)
  local defaults = require('telescope.config').values
  settings.previewer = defaults.qflist_previewer({})
  require('telescope.pickers').new({ preview_title = 'Preview' }, settings):find()
end

function M.live(question, ask)
  local channel = require('plenary.async.control').channel
  local take_back = function() end
  open({
    prompt_title = 'Find by meaning',
    default_text = question,
    finder = require('telescope.finders').new_dynamic({
      entry_maker = maker(),
      fn = function(typed)
        local answer, answered = channel.oneshot()
        take_back()
        take_back = ask(typed or '', answer)
        return (answered())
      end,
    }),
    -- Every row is as good as another: they stay as they came.
    sorter = require('telescope.sorters').empty(),
  })
end

function M.list(title, entries)
  open({
    prompt_title = title,
    finder = require('telescope.finders').new_table({ results = entries, entry_maker = maker() }),
    sorter = require('telescope.config').values.generic_sorter({}), -- here typing narrows the list
  })
end

return M
