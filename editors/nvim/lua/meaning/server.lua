--- The server's clients: found, started, asked. The only place that knows how Neovim's versions differ in this.
local M = {}

local options = require('meaning.options')

M.NAME = 'meaning_ls'
local MARKERS = { '.git' }
local START_MILLISECONDS = 10000 -- for a server that is being started by a command
local ANSWER_MILLISECONDS = 10000 -- a question takes a few
local CANCELLED = -32800 -- LSP: RequestCancelled
local has_enable = vim.fn.has('nvim-0.11') == 1

-- What each client has last said of its folders.
local told = {}

vim.lsp.handlers['semanticIndex/status'] = function(_, result, context)
  told[context.client_id] = result.folders
  vim.api.nvim_exec_autocmds('User', { pattern = 'MeaningStatus', modeline = false })
end

local function clients()
  return (vim.lsp.get_clients or vim.lsp.get_active_clients)()
end

--- Whether a client's server understands our requests; nothing here looks at names.
local function understands(client)
  local experimental = (client.server_capabilities or {}).experimental
  return type(experimental) == 'table' and experimental.semanticSymbolProvider ~= nil
end

--- All clients that can be asked.
function M.clients()
  return vim.tbl_filter(understands, clients())
end

local function folders_of(client)
  return client.workspace_folders or client.workspaceFolders or {}
end

local function holds(client, path)
  for _, folder in ipairs(folders_of(client)) do
    local root = vim.uri_to_fname(folder.uri)
    if path == root or vim.startswith(path, root:gsub('/*$', '/')) then
      return true
    end
  end
  return false
end

--- The client to be asked in a buffer: the one attached to it, else one that has its folder or the current one open.
---@param buffer integer
function M.find_client(buffer)
  local able = M.clients()
  local place = vim.api.nvim_buf_get_name(buffer)
  for _, is_it in ipairs({
    function(client)
      return vim.lsp.buf_is_attached(buffer, client.id)
    end,
    function(client)
      return place ~= '' and holds(client, place)
    end,
    function(client)
      return holds(client, vim.fn.getcwd())
    end,
  }) do
    for _, client in ipairs(able) do
      if is_it(client) then
        return client
      end
    end
  end
end

--- Whether a server that a buffer is attached to can be asked by `what`, the name of one of its capabilities.
---@param buffer integer
---@param what string e.g. definitionProvider
function M.can(buffer, what)
  for _, client in ipairs(clients()) do
    if vim.lsp.buf_is_attached(buffer, client.id) and (client.server_capabilities or {})[what] then
      return true
    end
  end
  return false
end

--- The folder of the project that a path lies in, nil for none.
---@param path string
function M.root(path)
  local folder = vim.fn.isdirectory(path) == 1 and path or vim.fn.fnamemodify(path, ':h')
  for _, marker in ipairs(MARKERS) do
    -- A `.git` is a folder, or in work trees and submodules a file.
    local found = vim.fn.finddir(marker, vim.fn.escape(folder, ' ;,') .. ';')
    found = found ~= '' and found or vim.fn.findfile(marker, vim.fn.escape(folder, ' ;,') .. ';')
    if found ~= '' then
      return vim.fn.fnamemodify(vim.fn.fnamemodify(found, ':p'):gsub('/$', ''), ':h')
    end
  end
end

--- How the server is started: lsp/meaning_ls.lua with the user's own changes, where Neovim knows such files.
local function config()
  local plain = { cmd = options.cmd, settings = options.settings or nil }
  return vim.tbl_extend('keep', has_enable and vim.deepcopy(vim.lsp.config[M.NAME]) or {}, plain)
end

--- The name of the program that is started, for messages.
function M.program()
  local command = config().cmd
  return type(command) == 'table' and command[1] or M.NAME
end

--- Whether the server's program can be started; one that Lua starts (or connects to) is taken to be there.
function M.is_installed()
  return type(config().cmd) ~= 'table' or vim.fn.executable(M.program()) == 1
end

-- Clients that were started here, by root, for Neovim 0.7, which does not look for one to use again.
local started = {}

--- Start a server for a root, or use the one that runs, and attach a buffer to it.
local function start(root, buffer)
  local how = vim.tbl_extend('force', config(), { name = M.NAME, root_dir = root })
  if vim.lsp.start and buffer then
    return vim.lsp.start(how, { bufnr = buffer })
  end
  for _, client in ipairs(clients()) do
    if client.name == M.NAME and holds(client, root) then
      return client.id
    end
  end
  if has_enable then
    return vim.lsp.start(how, { attach = false })
  end
  local id = started[root]
  if not id or vim.lsp.client_is_stopped(id) then
    id = vim.lsp.start_client(how)
    started[root] = id
  end
  if id and buffer then
    vim.lsp.buf_attach_client(buffer, id)
  end
  return id
end

--- Whether a buffer is a file of somebody's, which a server may be told of.
local function is_file(buffer)
  return vim.bo[buffer].buftype == '' and vim.api.nvim_buf_get_name(buffer) ~= ''
end

local function attach(buffer)
  local root = vim.api.nvim_buf_is_loaded(buffer) and is_file(buffer) and M.root(vim.api.nvim_buf_get_name(buffer))
  if root then
    start(root, buffer)
  end
end

--- Start the server for the files of projects, those that are open and those that will be. Where it is not installed
--- nothing happens, and nothing is said: the commands and :checkhealth do that.
function M.autostart()
  if has_enable then
    vim.lsp.config(M.NAME, { cmd = rawget(options, 'cmd'), settings = rawget(options, 'settings') })
  end
  if not options.autostart or not M.is_installed() then
    return
  elseif has_enable then
    return vim.lsp.enable(M.NAME)
  end
  vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
    group = vim.api.nvim_create_augroup('meaning', {}),
    callback = function(event)
      attach(event.buf)
    end,
  })
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    attach(buffer)
  end
end

--- Call `use(client)` with the client for a buffer, starting one where there is none; say why where there cannot be one.
---@param buffer integer
---@param use fun(client: table)
function M.with_client(buffer, use)
  local client = M.find_client(buffer)
  if client then
    return use(client)
  end
  local name = is_file(buffer) and vim.api.nvim_buf_get_name(buffer) or vim.fn.getcwd()
  local root = M.root(name)
  if not root then
    return vim.notify('meaning-ls: this is no project (there is no .git above ' .. name .. ')', vim.log.levels.WARN)
  elseif not M.is_installed() then
    local sentence = 'meaning-ls: the program %q is not installed; see :checkhealth meaning'
    return vim.notify(sentence:format(M.program()), vim.log.levels.ERROR)
  end
  start(root, is_file(buffer) and buffer or nil)
  M.wait(buffer, use, START_MILLISECONDS)
end

--- Call `use(client)` as soon as there is one for a buffer.
function M.wait(buffer, use, milliseconds)
  local client = vim.api.nvim_buf_is_valid(buffer) and M.find_client(buffer)
  if client then
    use(client)
  elseif milliseconds <= 0 then
    vim.notify('meaning-ls: the server does not start; see :checkhealth meaning', vim.log.levels.ERROR)
  else
    vim.defer_fn(function()
      M.wait(buffer, use, milliseconds - 50)
    end, 50)
  end
end

--- Where the user is, for a question: a file that the server has open in one of its folders, else nil.
function M.document(client, buffer)
  if is_file(buffer) and holds(client, vim.api.nvim_buf_get_name(buffer)) then
    return { uri = vim.uri_from_bufnr(buffer) }
  end
end

--- What a client has last said of its folders.
function M.folders(client)
  return told[client.id] or {}
end

--- Send a request; `callback(trouble, result)` is called once, unless the function that is returned cancels it before.
--- A server that has died does not answer, and Neovim does not say so: what waits for an answer is told after a while.
function M.request(client, method, params, callback)
  local is_open = true
  local function close(trouble, result)
    if is_open then
      is_open = false
      if not (trouble and trouble.code == CANCELLED) then
        callback(trouble, result)
      end
    end
  end
  local sent, id
  if has_enable then
    sent, id = client:request(method, params, close)
  else
    sent, id = client.request(method, params, close)
  end
  if not sent then
    close({ message = 'the server has gone; see :checkhealth meaning' })
  end
  vim.defer_fn(function()
    close({ message = 'the server does not answer; see :checkhealth meaning' })
  end, ANSWER_MILLISECONDS)
  return function()
    if is_open then
      is_open = false
      if has_enable then
        client:cancel_request(id)
      else
        client.cancel_request(id)
      end
    end
  end
end

return M
