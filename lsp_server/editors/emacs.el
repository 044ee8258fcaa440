;; With the package in editors/emacs: M-x find-by-meaning, beside eglot, in eglot and in lsp-mode.
(setq meaning-ls-command (list @command@))

;; Without it, in lsp-mode: beside the servers of each language, columns counted as lsp-mode does.
(with-eval-after-load 'lsp-mode
  (unless (featurep 'meaning-ls)
    (lsp-register-client
     (make-lsp-client :new-connection (lsp-stdio-connection meaning-ls-command)
                      :activation-fn (lambda (&rest _) t)
                      :add-on? t
                      :server-id 'meaning-ls
                      :custom-capabilities '((general . ((positionEncodings . ["utf-32" "utf-16"])))
                                             ;; Of a notification that it does not know lsp-mode warns.
                                             (experimental . ((semanticIndexStatus . :json-false))))))))

;; eglot runs one server for each mode: here, for those modes that have no server of their own.
(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs `((prog-mode text-mode conf-mode) . ,meaning-ls-command) t))
