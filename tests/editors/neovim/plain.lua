-- Neovim 0.7 or newer with its own client alone, as a user would have it: no plugin of ours.

local drive = dofile(vim.fn.fnamemodify(debug.getinfo(1).source:sub(2), ':h') .. '/drive.lua')
local facts, seen = drive.facts, drive.seen

local function start()
  if vim.lsp.start then
    vim.cmd('luafile ' .. vim.fn.fnameescape(facts.config)) -- what `meaning-ls config nvim` prints
    drive.edit(facts.file)
  else
    drive.edit(facts.file)
    local id = vim.lsp.start_client({ name = 'meaning_ls', cmd = facts.command, root_dir = facts.root })
    vim.lsp.buf_attach_client(0, id)
  end
  local client
  drive.wait('initialize', function()
    client = (vim.lsp.get_clients or vim.lsp.get_active_clients)()[1]
    return client and client.initialized and client.server_capabilities ~= nil
  end)
  return client
end

-- What the quickfix list says after a question, and where :cfirst leads.
local function ask(question)
  vim.fn.setqflist({}, 'f')
  drive.edit(facts.file)
  vim.lsp.buf.workspace_symbol(question)
  drive.wait('workspace/symbol', function()
    return #vim.fn.getqflist() > 0
  end)
  local rows = vim.tbl_map(function(item)
    return item.text
  end, vim.fn.getqflist())
  vim.cmd('cfirst')
  vim.cmd('cclose')
  return { rows = rows, place = drive.here() }
end

local function tag(command)
  drive.edit(facts.file)
  vim.bo.tagfunc = 'v:lua.vim.lsp.tagfunc'
  vim.cmd(command)
  return drive.here()
end

drive.run(function()
  local client = start()
  seen.capabilities = client.server_capabilities
  seen.encoding = client.offset_encoding
  drive.wait('an index that is ready', function()
    return drive.ready(0)
  end)
  seen.answer = drive.request(client, 'workspace/semanticSymbol', { query = facts.question, limit = 3 })
  local symbols = drive.request(client, 'workspace/symbol', { query = facts.question })
  seen.served = vim.tbl_map(function(symbol)
    return symbol.name
  end, symbols)
  seen.places = vim.tbl_map(function(symbol)
    return symbol.location.uri .. vim.inspect(symbol.location.range)
  end, symbols)

  seen.first = ask(facts.question)
  seen.name = ask(facts.name)
  seen.nothing = drive.request(client, 'workspace/symbol', { query = 'xyzzy_plugh' })
  seen.tag = tag('tag ' .. facts.name)
  seen.tjump = tag('tjump ' .. facts.name)

  local place = drive.request(client, 'workspace/executeCommand', {
    command = 'meaning-ls.findAndShow',
    arguments = { facts.question },
  })
  seen.shown = { uri = place.uri, place = drive.here() }

  local since = #drive.statuses()
  drive.append(facts.file, facts.added)
  drive.wait('a pass over what was saved', function()
    return drive.ready(since)
  end)
  seen.second = ask(facts.second_question)

  -- Idle: nothing is said, and nothing is done.
  since = #drive.statuses()
  vim.wait(500)
  seen.idle = #drive.statuses() - since
end)
