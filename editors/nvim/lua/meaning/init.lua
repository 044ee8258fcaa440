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

--- What stands above the rows of an answer: what it is, and what is wrong with it.
local function heading(what, result)
  local index = result.index or {}
  if index.message and (index.state == 'failed' or #result.symbols == 0) then
    return ('%s (%s)'):format(what, index.message)
  elseif index.state == 'indexing' or index.state == 'starting' then
    return what .. ' (still indexing)'
  elseif result.confident == false and #result.symbols > 0 then
    return what .. ' (nearest misses)'
  end
  return what
end

--- Ask a server: a function that calls `callback(entries, heading)` once, and returns one that takes the question back.
local function asker(client, method, what)
  return function(params, callback)
    return server.request(client, method, params, function(trouble, result)
      if trouble then
        vim.notify('meaning-ls: ' .. trouble.message, vim.log.levels.WARN)
        return callback({}, what)
      end
      callback(rows.entries(result.symbols, client), heading(what, result))
    end)
  end
end

--- Into the quickfix list, best first, and open it.
local function to_quickfix(entries, title)
  vim.fn.setqflist({}, ' ', { title = title, items = vim.tbl_map(rows.quickfix, entries) })
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
      return ask(question, function(entries, title)
        if #entries == 0 then
          return rows.none(title)
        end
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
    send(params, function(entries, title)
      if #entries == 0 then
        rows.none(title)
      elseif how.quickfix then
        to_quickfix(entries, title)
      else
        pickers.list(title, entries)
      end
    end)
  end)
end

--- For 'tagfunc', which Ctrl-] and :tag ask: the definition where a language server knows it, else what has the name.
---@param pattern string
---@param flags string
function M.tagfunc(pattern, flags)
  local buffer = vim.api.nvim_get_current_buf()
  local is_under_cursor = flags:find('c', 1, true) ~= nil
  if is_under_cursor and server.can(buffer, 'definitionProvider') then
    local found = vim.lsp.tagfunc(pattern, flags)
    if found ~= vim.NIL then
      return found
    end
  end
  if not server.can(buffer, 'workspaceSymbolProvider') then
    return vim.NIL -- Neovim looks into tags files
  end
  local found = vim.lsp.tagfunc(pattern, (flags:gsub('c', '')))
  if is_under_cursor and found ~= vim.NIL then
    -- A name that is like it is no place to jump to.
    found = vim.tbl_filter(function(tag)
      return tag.name == pattern
    end, found)
  end
  return found ~= vim.NIL and #found > 0 and found or vim.NIL
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
