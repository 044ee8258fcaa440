-- Neovim 0.7 or newer with the plugin, loaded as a user loads it: from a folder of packages, with an init file.

local drive = dofile(vim.fn.fnamemodify(debug.getinfo(1).source:sub(2), ':h') .. '/drive.lua')
local facts, seen = drive.facts, drive.seen
local server = require('meaning.server')

-- What vim.ui.select was given; it takes the first row.
local function selecting(run)
  local given
  vim.ui.select = function(items, options, choose)
    given = { prompt = options.prompt, rows = vim.tbl_map(options.format_item, items) }
    choose(items[1], 1)
  end
  given = nil
  drive.edit(facts.file)
  run()
  drive.wait('vim.ui.select', function()
    return given ~= nil
  end)
  given.place = drive.here()
  return given
end

local function quickfix(command)
  vim.fn.setqflist({}, 'f')
  drive.edit(facts.file)
  vim.cmd(command)
  drive.wait(command, function()
    return #vim.fn.getqflist() > 0
  end)
  local rows = vim.tbl_map(function(item)
    return item.text
  end, vim.fn.getqflist())
  local title = vim.fn.getqflist({ title = 1 }).title
  vim.cmd('cclose')
  vim.cmd('cfirst')
  return { rows = rows, title = title, place = drive.here() }
end

local function health()
  vim.cmd('checkhealth meaning')
  local lines = vim.api.nvim_buf_get_lines(0, 0, -1, false)
  vim.cmd('bwipeout!')
  return table.concat(lines, '\n')
end

-- Telescope: types a question, reads what is shown, takes the first row, or all into the quickfix list.
local function telescope(typed, key)
  vim.o.columns, vim.o.lines = 160, 50 -- room for the preview
  require('telescope').load_extension('meaning')
  require('meaning').setup({ picker = 'telescope' })
  drive.edit(facts.file)
  vim.cmd('FindByMeaning')
  local state, picker = require('telescope.actions.state'), nil
  drive.wait('Telescope', function()
    picker = vim.bo.filetype == 'TelescopePrompt' and state.get_current_picker(vim.api.nvim_get_current_buf())
    return picker
  end)
  local shown
  local function read()
    shown = {}
    for entry in picker.manager:iter() do
      table.insert(shown, entry.value.row.name)
    end
    return shown
  end
  for at = 1, #typed do -- key by key, so that questions overtake each other
    picker:set_prompt(typed:sub(1, at))
    vim.wait(5)
  end
  drive.wait('rows in Telescope', function()
    local selected = state.get_selected_entry()
    return picker:_get_prompt() == typed and selected and read()[1] == facts.name
  end)
  vim.wait(200)
  local found = { rows = read(), preview = nil }
  drive.wait('the preview', function()
    local preview = picker.previewer.state and picker.previewer.state.bufnr
    local lines = preview and vim.api.nvim_buf_get_lines(preview, 0, 1, false) or {}
    found.preview = lines[1]
    return (lines[1] or '') ~= ''
  end)
  local actions = require('telescope.actions')
  if key == 'enter' then
    actions.select_default(picker.prompt_bufnr)
  else
    actions.send_to_qflist(picker.prompt_bufnr)
    found.quickfix = vim.tbl_map(function(item)
      return item.text
    end, vim.fn.getqflist())
  end
  found.place = drive.here()
  return found
end

-- What the server itself answers, in its order.
local function served()
  local params = { query = facts.question, limit = 30, textDocument = { uri = vim.uri_from_bufnr(0) } }
  return vim.tbl_map(function(symbol)
    return symbol.name
  end, drive.request(server.find_client(0), 'workspace/semanticSymbol', params).symbols)
end

-- Ctrl-] on a word, in a buffer that no language server knows a definition for.
local function by_tag(word)
  drive.edit(facts.file)
  vim.bo.tagfunc = "v:lua.require'meaning'.tagfunc"
  vim.fn.append('$', '# ' .. word)
  vim.fn.cursor(vim.fn.line('$'), 3)
  local fine, trouble = pcall(vim.cmd, vim.api.nvim_replace_termcodes('normal! <C-]>', true, true, true))
  local found = fine and drive.here() or { trouble = trouble }
  drive.edit(facts.file)
  vim.cmd('silent undo')
  vim.v.errmsg = ''
  return found
end

drive.run(function()
  seen.before = require('meaning').status()
  drive.edit(facts.file)
  drive.wait('an index that is ready', function()
    return drive.ready(0)
  end)
  seen.status = require('meaning').status()
  seen.clients = #server.clients()
  seen.served = served()

  require('meaning').setup({ picker = 'select' })
  seen.select = selecting(function()
    vim.cmd('FindByMeaning ' .. facts.question)
  end)
  vim.ui.input = function(_, typed)
    typed(facts.question)
  end
  seen.asked = selecting(function()
    vim.cmd('FindByMeaning')
  end)
  seen.quickfix = quickfix('FindByMeaning! ' .. facts.question)
  seen.similar = selecting(function()
    vim.cmd('FindSimilar')
  end)
  seen.similar_range = quickfix('1,2FindSimilar!')
  seen.tag = by_tag('sendReceipt')
  seen.no_tag = by_tag('sendReceip')

  local since = #drive.statuses()
  drive.append(facts.file, facts.added)
  drive.wait('a pass over what was saved', function()
    return drive.ready(since)
  end)
  seen.second = quickfix('FindByMeaning! ' .. facts.second_question)

  -- Idle: nothing is said, and nothing is done.
  since = #drive.statuses()
  vim.wait(500)
  seen.idle = #drive.statuses() - since

  seen.health = health()
  if pcall(require, 'telescope') then
    drive.edit(facts.file)
    seen.served_later = served()
    seen.telescope = telescope(facts.question, 'enter')
    seen.telescope_quickfix = telescope(facts.question, 'ctrl-q')
  end
  if pcall(require, 'lualine') then
    require('lualine').setup({ sections = { lualine_x = { require('meaning').status } } })
    drive.edit(facts.file)
    seen.lualine = require('lualine').statusline(true)
  end
  seen.complaints = vim.deepcopy(seen.messages)

  -- What cannot be done is said, and nothing breaks.
  require('meaning').setup({ picker = 'no such picker', nonsense = 1 })
  selecting(function()
    vim.cmd('FindByMeaning ' .. facts.question)
  end)
  require('meaning').find('kind:class in:nowhere receipts', { quickfix = true })
  drive.wait('word of an empty answer', function()
    return vim.tbl_contains(seen.messages, 'Find by meaning: nothing was found')
  end)
  -- A question that is overtaken is taken back; one that is answered is answered once.
  local answers = {}
  local client = server.find_client(vim.fn.bufnr(facts.file))
  local function count(name)
    return function()
      answers[name] = (answers[name] or 0) + 1
    end
  end
  server.request(client, 'workspace/semanticSymbol', { query = 'overtaken' }, count('overtaken'))()
  local take_back = server.request(client, 'workspace/semanticSymbol', { query = 'wanted' }, count('wanted'))
  drive.wait('the wanted answer', function()
    return answers.wanted
  end)
  take_back()
  seen.answers = answers
  vim.cmd('lcd /')
  vim.cmd('enew')
  require('meaning').find('anything')
end)
