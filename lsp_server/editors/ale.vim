function! MeaningLsRoot(buffer) abort
  let l:git = finddir('.git', fnameescape(fnamemodify(bufname(a:buffer), ':p:h')) . ';')
  return empty(l:git) ? '' : fnamemodify(l:git, ':p:h:h')
endfunction

" ALE's linters belong to file types: this one is added to each, beside those that are on already.
function! s:AddMeaningLs(filetype) abort
  let l:others = map(ale#linter#Get(a:filetype), 'v:val.name')
  call ale#linter#Define(a:filetype, {
    \ 'name': 'meaning-ls',
    \ 'lsp': 'stdio',
    \ 'executable': @command@,
    \ 'command': '%e',
    \ 'project_root': function('MeaningLsRoot'),
    \ })
  if index(map(ale#linter#Get(a:filetype), 'v:val.name'), 'meaning-ls') < 0
    let b:ale_linters = l:others + ['meaning-ls']
  endif
endfunction

augroup meaning_ls
  autocmd!
  autocmd FileType ?* call s:AddMeaningLs(expand('<amatch>'))
augroup END
