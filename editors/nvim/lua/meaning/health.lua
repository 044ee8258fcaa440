--- :checkhealth meaning
local M = {}

local pickers = require('meaning.pickers')
local server = require('meaning.server')

-- Neovim 0.10 gave these functions their names.
local report = vim.health and vim.health.start and vim.health or {}
for _, name in ipairs({ 'start', 'ok', 'warn', 'error', 'info' }) do
  report[name] = report[name] or vim.fn['health#report_' .. name]
end

local function check_program()
  report.start('meaning: the program')
  local program = server.program()
  if not server.is_installed() then
    return report.error(('%q is not installed, or not on the PATH'):format(program), {
      'Install meaning-ls: pip install .  in its checkout',
      "Or name it: require('meaning').setup({ cmd = { '/path/to/meaning-ls' } })",
    })
  end
  report.ok(vim.fn.exepath(program))
end

local function describe(folder)
  local what = ('%s: %s, %d of %d symbols of %d files, model %s'):format(
    vim.uri_to_fname(folder.uri),
    folder.state,
    folder.embedded,
    folder.symbols,
    folder.filesTotal,
    folder.model ~= '' and folder.model or '(none)'
  )
  if folder.skippedTotal > 0 then
    what = ('%s; %d files and folders are left out'):format(what, folder.skippedTotal)
  end
  if folder.state == 'failed' then
    return report.error(what, { folder.message or 'The log says why.' })
  elseif folder.message then
    return report.warn(what, { folder.message })
  end
  report.ok(what)
end

local function check_clients()
  report.start('meaning: the server')
  local running = server.clients()
  if #running == 0 then
    local root = server.root(vim.fn.getcwd())
    local log = require('vim.lsp.log').get_filename()
    report.warn('it does not run', {
      root and ('Open a file of ' .. root) or 'Open a file of a project: a folder with .git',
      'The log says what went wrong: ' .. log,
    })
  end
  for _, client in ipairs(running) do
    report.ok(('client %d of %s, columns in %s'):format(client.id, client.name, client.offset_encoding))
    for _, folder in ipairs(server.folders(client)) do
      describe(folder)
    end
  end
end

local function check_pickers()
  report.start('meaning: pickers')
  for _, name in ipairs(pickers.NAMES) do
    local is_installed = require('meaning.pickers.' .. name:gsub('-', '_')).is_installed()
    report.info(('%s: %s'):format(name, is_installed and 'installed' or 'not installed'))
  end
  report.ok(('rows are shown by %s'):format((pickers.chosen())))
end

function M.check()
  check_program()
  check_clients()
  check_pickers()
end

return M
