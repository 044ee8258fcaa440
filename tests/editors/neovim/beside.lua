-- Neovim's own client with our server and the language's own, which knows symbols, too: what is shown of both.

local drive = dofile(vim.fn.fnamemodify(debug.getinfo(1).source:sub(2), ':h') .. '/drive.lua')
local facts, seen = drive.facts, drive.seen

local function start(name, command)
  local how = { name = name, cmd = command, root_dir = facts.root }
  local id = vim.lsp.start and vim.lsp.start(how) or vim.lsp.start_client(how)
  vim.lsp.buf_attach_client(0, id)
  drive.wait(name, function()
    local client = vim.lsp.get_client_by_id(id)
    return client and client.initialized and client.server_capabilities ~= nil
  end)
  return vim.lsp.get_client_by_id(id)
end

local function place(uri, range)
  return ('%s:%d'):format(vim.uri_to_fname(uri), range.start.line + 1)
end

-- Where a server says that the symbols for a question are.
local function served(client, question)
  return vim.tbl_map(function(symbol)
    return place(symbol.location.uri, symbol.location.range)
  end, drive.request(client, 'workspace/symbol', { query = question }))
end

-- The places in the quickfix lists that Neovim makes of the answers: one list, or in older ones a list for each server.
local function shown(question, count)
  vim.fn.setqflist({}, 'f')
  local places
  vim.lsp.buf.workspace_symbol(question)
  drive.wait(question, function()
    places = {}
    for number = 1, vim.fn.getqflist({ nr = '$' }).nr do
      for _, item in ipairs(vim.fn.getqflist({ nr = number, items = 1 }).items) do
        table.insert(places, ('%s:%d'):format(vim.fn.fnamemodify(vim.fn.bufname(item.bufnr), ':p'), item.lnum))
      end
    end
    return #places >= count
  end)
  vim.wait(200) -- for what should not come
  vim.cmd('cclose')
  return places
end

drive.run(function()
  drive.edit(facts.file)
  local ours, theirs = start('meaning_ls', facts.command), start('beside', facts.beside)
  drive.wait('an index that is ready', function()
    return drive.ready(0)
  end)
  drive.wait('symbols of the other server', function()
    return #served(theirs, facts.word) > 0
  end)
  for _, question in ipairs({ facts.word, facts.question }) do
    local both = { ours = served(ours, question), theirs = served(theirs, question) }
    both.shown = shown(question, #both.ours + #both.theirs)
    seen[question == facts.word and 'word' or 'question'] = both
  end
end)
