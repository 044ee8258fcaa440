-- Drives Neovim 0.7 or newer as a user would, and writes what happened as JSON.
-- Run by test_neovim.py: nvim --headless --clean -l/-S this file, with the facts in environment variables.

local facts = vim.fn.json_decode(os.getenv('MEANING_FACTS'))
local seen = { status = {} }

local function finish()
  vim.fn.writefile({ vim.fn.json_encode(seen) }, facts.report)
  vim.cmd('qall!')
end

-- What a user sees: the file in the current window, and the line of the cursor.
local function here()
  return { path = vim.fn.expand('%:p'), line = vim.fn.getline('.') }
end

local function wait(what, done)
  if not vim.wait(facts.milliseconds, done, 20) then
    seen.trouble = 'waited in vain for ' .. what
    finish()
  end
end

local function ready(result)
  local folder = result.folders[1]
  return folder and folder.state == 'ready' and folder.symbols > 0 and folder.embedded == folder.symbols
end

local function jump(location, encoding)
  if vim.lsp.util.show_document then
    vim.lsp.util.show_document(location, encoding, { focus = true })
  else
    vim.lsp.util.jump_to_location(location, encoding)
  end
end

local function main()
  vim.cmd('edit ' .. vim.fn.fnameescape(facts.file))
  local config = {
    name = 'meaning_ls',
    cmd = facts.command,
    root_dir = facts.root,
    handlers = {
      ['semanticIndex/status'] = function(_, result)
        seen.status[#seen.status + 1] = result
      end,
    },
  }
  local id
  if vim.lsp.start then
    id = vim.lsp.start(config)
  else
    id = vim.lsp.start_client(config)
    vim.lsp.buf_attach_client(0, id)
  end
  local client = vim.lsp.get_client_by_id(id)
  wait('initialize', function()
    return client.initialized and client.server_capabilities ~= nil
  end)
  seen.capabilities = client.server_capabilities
  wait('an index that is ready', function()
    return #seen.status > 0 and ready(seen.status[#seen.status])
  end)

  -- The standard way: the answer goes into the quickfix list, and :cfirst jumps.
  vim.lsp.buf.workspace_symbol(facts.question)
  wait('workspace/symbol', function()
    return #vim.fn.getqflist() > 0
  end)
  seen.quickfix = vim.tbl_map(function(item)
    return item.text
  end, vim.fn.getqflist())
  vim.cmd('cfirst')
  seen.standard = here()

  -- Our own request.
  vim.cmd('edit ' .. vim.fn.fnameescape(facts.file))
  local answer
  local request = vim.fn.has('nvim-0.11') == 1 and function(...)
    return client:request(...)
  end or client.request
  request('workspace/semanticSymbol', { query = facts.question, limit = 3 }, function(trouble, result)
    answer = trouble and { trouble = trouble } or result
  end, 0)
  wait('workspace/semanticSymbol', function()
    return answer ~= nil
  end)
  seen.answer = answer
  local best = answer.symbols[1]
  jump({ uri = best.location.uri, range = best.selectionRange }, client.offset_encoding)
  seen.own = here()
  finish()
end

local ok, trouble = xpcall(main, debug.traceback)
if not ok then
  seen.trouble = trouble
  finish()
end
