augroup meaning_ls
  autocmd!
  autocmd User lsp_setup call lsp#register_server({
    \ 'name': 'meaning-ls',
    \ 'cmd': {server_info -> [@command@]},
    \ 'root_uri': {server_info -> lsp#utils#path_to_uri(
    \   lsp#utils#find_nearest_parent_file_directory(lsp#utils#get_buffer_path(), ['.git', '.git/']))},
    \ 'allowlist': ['*'],
    \ })
augroup END
