;; lsp-mode: beside the servers of each language.
(with-eval-after-load 'lsp-mode
  (lsp-register-client
   (make-lsp-client :new-connection (lsp-stdio-connection (list @command@))
                    :activation-fn (lambda (&rest _) t)
                    :add-on? t
                    :server-id 'meaning-ls)))

;; eglot runs one server for each mode: here, for those modes that have no server of their own.
(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs '((prog-mode text-mode conf-mode) . (@command@)) t))
