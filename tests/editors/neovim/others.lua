-- The sources for pickers that no registry of packages has, against stand-ins that do with a source what the pickers'
-- own code does with it: fzf-lua's `fzf_live` (lua/fzf-lua/shell.lua, before and after July 2025) and the finder of
-- snacks.nvim (lua/snacks/picker/core/finder.lua). This holds what a source gives. That the pickers themselves show it
-- was not tried.

local drive = dofile(vim.fn.fnamemodify(debug.getinfo(1).source:sub(2), ':h') .. '/drive.lua')
local facts, seen = drive.facts, drive.seen

local function ask_by(picker)
  require('meaning').setup({ picker = picker })
  drive.edit(facts.file)
  vim.cmd('FindByMeaning ' .. facts.question)
end

-- fzf-lua calls the function with what is typed, alone or as the first of a list, and what comes back with a function
-- that adds lines and ends with nil. The older one adds them in a coroutine of its own, unless it is told not to. A
-- question that is overtaken has to end, too.
local function fzf_lua(is_old)
  local given
  local function typed(query)
    local told = { lines = {}, ended = false }
    local contents = given.contents(is_old and query or { query })
    local thread = coroutine.create(contents)
    assert(coroutine.resume(thread, function(line)
      assert(not is_old or given.func_async_callback == false or coroutine.running() == thread, 'not in a coroutine')
      if line then
        assert(not told.ended, 'a line after the end')
        table.insert(told.lines, line)
      end
      told.ended = told.ended or line == nil
    end))
    return told
  end
  package.loaded['fzf-lua'] = {
    actions = setmetatable({}, {
      __index = function(_, name)
        return name
      end,
    }),
    fzf_live = function(contents, options)
      given = vim.tbl_extend('error', options, { contents = contents })
    end,
  }
  ask_by('fzf-lua')
  local overtaken, last = typed(facts.name), typed(given.query)
  drive.wait('the end of lines', function()
    return last.ended and overtaken.ended
  end)
  package.loaded['fzf-lua'] = nil
  return { lines = last.lines, overtaken = #overtaken.lines, query = given.query, enter = given.actions.enter }
end

-- snacks runs the finder in a task, which the finder may lay to rest and wake up, and takes items from it.
local function snacks()
  local items, ended, given = {}, false, nil
  package.loaded['snacks'] = {
    picker = {
      pick = function(options)
        given = options
        local task = { on = function() end }
        local thread = coroutine.create(function()
          options.finder(options, { filter = { search = options.search }, async = task })(function(item)
            table.insert(items, item)
          end)
          ended = true
        end)
        function task.suspend()
          coroutine.yield()
        end
        function task.resume()
          assert(coroutine.resume(thread))
        end
        task.resume()
      end,
    },
  }
  ask_by('snacks')
  drive.wait('the end of items', function()
    return ended
  end)
  package.loaded['snacks'] = nil
  local shown = vim.tbl_map(function(item)
    local text = ''
    for _, part in ipairs(given.format(item)) do
      text = text .. part[1]
    end
    return { text = text, file = item.file, line = item.pos[1], column = item.pos[2] }
  end, items)
  return { items = shown, live = given.live, preview = given.preview }
end

drive.run(function()
  drive.edit(facts.file)
  drive.wait('an index that is ready', function()
    return drive.ready(0)
  end)
  local params = { query = facts.question, limit = 30, textDocument = { uri = vim.uri_from_bufnr(0) } }
  local client = require('meaning.server').find_client(0)
  seen.served = vim.tbl_map(function(symbol)
    return symbol.name
  end, drive.request(client, 'workspace/semanticSymbol', params).symbols)
  seen.fzf_lua = { fzf_lua(true), fzf_lua(false) }
  seen.snacks = snacks()
end)
