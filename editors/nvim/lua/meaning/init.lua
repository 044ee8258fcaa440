--- Find code by meaning: what the commands do, and what a configuration may call.
---
---   require('meaning').setup({ picker = 'telescope' })   -- only to change a default
---   require('meaning').find('where are retries delayed')
---   require('meaning').similar()
---   require('meaning').status()                          -- for a status line
local M = {}

local options = require('meaning.options')
local pickers = require('meaning.pickers')
local rows = require('meaning.rows')
local server = require('meaning.server')

--- Change defaults: see lua/meaning/options.lua.
---@param changes table|nil
function M.setup(changes)
  options.set(changes)
end

local function title(prefix, result)
  local index = result.index or {}
  if index.state == 'failed' and index.message then
    return ('%s (%s)'):format(prefix, index.message)
  elseif index.state == 'indexing' or index.state == 'starting' then
    return prefix .. ' (still indexing)'
  elseif result.confident == false then
    return prefix .. ' (nearest misses)'
  end
  return prefix
end

--- Ask a server; `callback(entries, title)` is called once, unless the question was taken back by the function returned.
local function asker(client, method, prefix)
  return function(params, callback)
    return server.request(client, method, params, function(trouble, result)
      if trouble then
        vim.notify('meaning-ls: ' .. trouble.message, vim.log.levels.WARN)
        return callback({}, prefix)
      end
      callback(rows.entries(result.symbols, client), title(prefix, result))
    end)
  end
end

--- Into the quickfix list, best first, and open it; say so where nothing was found.
local function to_quickfix(entries, heading)
  if #entries == 0 then
    return vim.notify(heading .. ': nothing was found')
  end
  vim.fn.setqflist({}, ' ', { title = heading, items = vim.tbl_map(rows.quickfix, entries) })
  vim.cmd('botright copen')
end

--- Find code by what it does.
---@param question string|nil what to begin with; a picker with live results takes it from there
---@param how { quickfix: boolean }|nil into the quickfix list at once instead of a picker
function M.find(question, how)
  question = vim.trim(question or '')
  local buffer = vim.api.nvim_get_current_buf()
  server.with_client(buffer, function(client)
    local send = asker(client, 'workspace/semanticSymbol', 'Find by meaning')
    local near = server.document(client, buffer)
    local function ask(query, callback)
      return send({ query = query, limit = options.limit, textDocument = near }, callback)
    end
    if how and how.quickfix and question ~= '' then
      return ask(question, function(entries)
        to_quickfix(entries, question)
      end)
    end
    pickers.live(question, ask)
  end)
end

--- Find code like a range of lines, or like the symbol under the cursor.
---@param how { lines: integer[]|nil, quickfix: boolean|nil }|nil `lines`: first and last, from 1
function M.similar(how)
  how = how or {}
  local buffer = vim.api.nvim_get_current_buf()
  server.with_client(buffer, function(client)
    local range
    if how.lines then
      range = { start = { line = how.lines[1] - 1, character = 0 }, ['end'] = { line = how.lines[2], character = 0 } }
    else
      local position = vim.lsp.util.make_position_params(0, client.offset_encoding).position
      range = { start = position, ['end'] = position }
    end
    local send = asker(client, 'workspace/similarSymbol', 'Similar code')
    local params = { textDocument = { uri = vim.uri_from_bufnr(buffer) }, range = range, limit = options.limit }
    send(params, function(entries, heading)
      if #entries == 0 or how.quickfix then
        return to_quickfix(entries, heading)
      end
      pickers.list(heading, entries)
    end)
  end)
end

--- What the server is doing, for a status line: '' where it does not run.
---@return string
function M.status()
  local client = server.find_client(vim.api.nvim_get_current_buf())
  local folders = client and server.folders(client) or {}
  local done, total, states = 0, 0, {}
  for _, folder in ipairs(folders) do
    states[folder.state] = true
    done, total = done + folder.embedded, total + math.max(folder.symbols, 1)
  end
  if #folders == 0 then
    return ''
  elseif states.failed then
    return 'meaning: failed'
  elseif states.starting or states.indexing then
    return ('meaning %d%%'):format(math.floor(100 * done / total))
  elseif states.paused then
    return 'meaning: paused'
  end
  return 'meaning'
end

return M
