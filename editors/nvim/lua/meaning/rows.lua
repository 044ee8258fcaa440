--- Rows of an answer, as Neovim's lists want them: an entry has a file name, a line and a column in bytes from 1.
local M = {}

local KINDS = {}
for name, number in pairs(vim.lsp.protocol.SymbolKind) do
  if type(number) == 'number' then
    KINDS[number] = name
  end
end

--- Columns are bytes in Neovim and whatever was negotiated with the server; this reads the line where they differ.
local function column(place, encoding)
  if place.range.start.character == 0 or encoding == 'utf-8' then
    return place.range.start.character + 1
  end
  local item = vim.lsp.util.locations_to_items({ place }, encoding)[1]
  return item and item.col or 1
end

local function entry(row, client)
  local place = { uri = row.location.uri, range = row.selectionRange }
  local path = vim.uri_to_fname(place.uri)
  return {
    row = row,
    place = place,
    encoding = client.offset_encoding,
    filename = path,
    path = vim.fn.fnamemodify(path, ':~:.'),
    lnum = place.range.start.line + 1,
    col = column(place, client.offset_encoding),
    name = row.containerName and ('%s.%s'):format(row.containerName, row.name) or row.name,
    kind = KINDS[row.kind] or 'Unknown',
    says = row.detail or row.preview,
  }
end

--- Entries in the order in which the rows were served: best first.
---@param symbols table[]
---@param client table
function M.entries(symbols, client)
  return vim.tbl_map(function(row)
    return entry(row, client)
  end, symbols)
end

--- One line for a list that shows nothing else.
function M.line(one)
  return ('%s  %s:%d  %s'):format(one.name, one.path, one.lnum, one.says)
end

--- An item of the quickfix list, in the form of Neovim's own lists of symbols.
function M.quickfix(one)
  local text = ('[%s] %s  %s'):format(one.kind, one.name, one.says)
  return { filename = one.filename, lnum = one.lnum, col = one.col, text = text }
end

--- Say that there is nothing to show.
---@param title string what was asked, and what is wrong with the answer
function M.none(title)
  vim.notify(title .. ': nothing was found')
end

--- Go to an entry; Ctrl-O comes back.
function M.jump(one)
  vim.cmd("normal! m'")
  if vim.lsp.util.show_document then
    vim.lsp.util.show_document(one.place, one.encoding, { focus = true })
  else
    vim.lsp.util.jump_to_location(one.place, one.encoding)
  end
  vim.cmd('normal! zv')
end

return M
