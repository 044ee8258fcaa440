" Drives Vim with ALE as a user would, and writes what happened as JSON.
" Run by test_vim.py: vim -es -u this file, with the facts in an environment variable.

set nocompatible encoding=utf-8 hidden nobackup noswapfile
let s:facts = json_decode($MEANING_FACTS)
let s:seen = {}
filetype plugin on
packadd ale
let g:ale_linters_explicit = 0
let g:ale_lint_on_text_changed = 'never'
execute 'source' fnameescape(s:facts.config)

function! s:Wait(what, Done) abort
  let l:rounds = s:facts.seconds * 20
  while !a:Done()
    let l:rounds -= 1
    if l:rounds < 0
      throw 'waited in vain for ' . a:what
    endif
    sleep 50m
  endwhile
endfunction

" ALE shows nobody our notifications, so the state is asked for.
function! s:State() abort
  let l:box = {}
  call ale#lsp_linter#SendRequest(bufnr(''), 'meaning-ls',
    \ [0, 'workspace/semanticIndex', {}], {response -> extend(l:box, {'answer': response})})
  call s:Wait('an answer', {-> has_key(l:box, 'answer')})
  let l:folders = get(get(l:box.answer, 'result', {}), 'folders', [])
  return empty(l:folders) ? {} : l:folders[0]
endfunction

function! s:IsReady() abort
  let l:folder = s:State()
  return get(l:folder, 'state', '') is# 'ready' && l:folder.symbols > 0 && l:folder.embedded == l:folder.symbols
endfunction

" What a user sees: the rows of the list, then Enter on the first.
function! s:Ask(question) abort
  execute 'ALESymbolSearch' a:question
  call s:Wait('a list', {-> &filetype is# 'ale-preview-selection'})
  let l:rows = getline(1, '$')
  execute "normal \<CR>"
  return {'rows': l:rows, 'path': expand('%:p'), 'line': getline('.'), 'number': line('.'), 'column': col('.')}
endfunction

function! s:Main() abort
  execute 'edit' fnameescape(s:facts.root . '/src/prices.py')
  call s:Wait('an index that is ready', function('s:IsReady'))
  let s:seen.linters = map(ale#linter#Get(&filetype), 'v:val.name')
  let s:seen.question = s:Ask(s:facts.question)
  execute 'edit' fnameescape(s:facts.root . '/src/prices.py')
  let s:seen.name = s:Ask(s:facts.name)

  execute 'edit' fnameescape(s:facts.root . '/src/prices.py')
  call append('$', s:facts.added)
  silent write
  call s:Wait('what was saved', {-> s:IsReady() && s:Find(s:facts.second)})
  let s:seen.again = s:Ask(s:facts.second)

  " Idle: nothing is said.
  let l:said = getfsize(s:facts.wire)
  sleep 1
  let s:seen.said_at_rest = getfsize(s:facts.wire) - l:said
  let s:seen.problems = len(getqflist()) + len(getloclist(0)) + len(ale#engine#GetLoclist(bufnr('')))
endfunction

" Whether the saved function is found: ALE gives no word of when a file has been looked at.
function! s:Find(question) abort
  let l:box = {}
  call ale#lsp_linter#SendRequest(bufnr(''), 'meaning-ls',
    \ [0, 'workspace/symbol', {'query': a:question}], {response -> extend(l:box, {'answer': response})})
  call s:Wait('an answer', {-> has_key(l:box, 'answer')})
  return index(map(copy(l:box.answer.result), 'v:val.name'), 'postage') >= 0
endfunction

try
  call s:Main()
catch
  let s:seen.trouble = v:exception . ' at ' . v:throwpoint
endtry
redir => s:messages
silent messages
redir END
let s:seen.messages = s:messages
call writefile([json_encode(s:seen)], s:facts.report)
qall!
