-- What the drivers share: waiting for what must come, and a report of what was seen, as JSON.
-- The facts (paths, questions, how long to wait) come in the environment.

local M = { facts = vim.fn.json_decode(os.getenv('MEANING_FACTS')), seen = { messages = {}, minor = vim.version().minor } }

vim.notify = function(message)
  table.insert(M.seen.messages, message)
end

function M.finish()
  M.seen.log = vim.trim(vim.fn.execute('messages'))
  M.seen.errmsg = vim.v.errmsg
  vim.fn.writefile({ vim.fn.json_encode(M.seen) }, M.facts.report)
  vim.cmd('qall!')
end

function M.wait(what, done)
  local function is_over()
    -- A server that has gone is told of, and nothing comes any more.
    return done() or M.seen.messages[1] and M.seen.messages[1]:find('^Client .* quit')
  end
  if not vim.wait(M.facts.milliseconds, is_over, 20) or not done() then
    error('waited in vain for ' .. what)
  end
end

-- What a user sees: the file in the current window, the cursor's line, and its column in bytes from 0.
function M.here()
  return { path = vim.fn.expand('%:p'), line = vim.fn.getline('.'), column = vim.fn.col('.') - 1 }
end

-- Go to a file. One that is there is not read again, for which 0.7 would lose its client.
function M.edit(path)
  local there = vim.fn.bufnr(vim.fn.fnamemodify(path, ':p'))
  vim.cmd(there > 0 and 'buffer ' .. there or 'edit ' .. vim.fn.fnameescape(path))
end

-- The last status, once it says that everything is done and something has happened since `count` messages.
local statuses = {}
local plugin = vim.lsp.handlers['semanticIndex/status'] -- where there is one, it listens too
vim.lsp.handlers['semanticIndex/status'] = function(trouble, result, context)
  table.insert(statuses, result)
  if plugin then
    plugin(trouble, result, context)
  end
end

function M.statuses()
  return statuses
end

function M.ready(since)
  local has_worked = since == 0
  for at = since + 1, #statuses do
    local folder = statuses[at].folders[1]
    has_worked = has_worked or (folder and folder.state == 'indexing')
    if has_worked and folder and folder.state == 'ready' and folder.symbols > 0 and folder.embedded == folder.symbols then
      return true
    end
  end
  return false
end

function M.request(client, method, params)
  local answer
  local function answered(trouble, result)
    answer = trouble and { trouble = trouble } or result or {} -- some servers say null for nothing
  end
  if vim.fn.has('nvim-0.11') == 1 then
    client:request(method, params, answered)
  else
    client.request(method, params, answered)
  end
  M.wait(method, function()
    return answer ~= nil
  end)
  return answer
end

-- Put a function at the end of a file as a user would, and save it.
function M.append(path, lines)
  M.edit(path)
  vim.fn.append(vim.fn.line('$'), lines)
  vim.cmd('write')
end

-- Run once Neovim has started up, as a user would begin then.
function M.run(main)
  vim.api.nvim_create_autocmd('VimEnter', {
    callback = vim.schedule_wrap(function()
      local fine, trouble = xpcall(main, debug.traceback)
      if not fine then
        M.seen.trouble = trouble
      end
      M.finish()
    end),
  })
end

return M
