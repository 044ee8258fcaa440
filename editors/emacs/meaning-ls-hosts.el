;;; meaning-ls-hosts.el --- meaning-ls in Eglot and lsp-mode  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 the meaning-ls authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Where Eglot or lsp-mode talk to a meaning-ls themselves, questions go over their connection.  Registers meaning-ls
;; with lsp-mode, which runs it beside the server of the language.

;;; Code:

(require 'cl-lib)
(require 'seq)
(require 'meaning-ls-client)

(declare-function eglot-current-server "eglot")
(declare-function eglot--capabilities "eglot")
(declare-function eglot-handle-notification "eglot")

(defun meaning-ls--of-eglot ()
  "Return Eglot's server of this buffer, if it is a meaning-ls."
  (when-let ((server (and (fboundp 'eglot-current-server) (eglot-current-server))))
    (and (plist-get (plist-get (eglot--capabilities server) :experimental) :semanticSymbolProvider) server)))

(with-eval-after-load 'eglot
  (cl-defmethod meaning-ls--encoding ((server eglot-lsp-server))
    "Return the position encoding of SERVER; Eglot 1.9 knows only one."
    (or (plist-get (eglot--capabilities server) :positionEncoding) "utf-16"))

  (cl-defmethod eglot-handle-notification (server (_method (eql 'semanticIndex/status)) &key folders &allow-other-keys)
    "Remember FOLDERS, the status told by SERVER."
    (meaning-ls--take-status server folders)))

(declare-function lsp-request "lsp-mode")
(declare-function lsp-workspaces "lsp-mode")
(declare-function lsp-register-client "lsp-mode")
(declare-function lsp-stdio-connection "lsp-mode")
(declare-function make-lsp-client "lsp-mode")
(declare-function lsp--workspace-client "lsp-mode")
(declare-function lsp--workspace-server-capabilities "lsp-mode")
(declare-function lsp--client-server-id "lsp-mode")
(defvar lsp--cur-workspace)

(defun meaning-ls--of-lsp-mode ()
  "Return lsp-mode's workspace of this buffer, if it is a meaning-ls."
  (when (fboundp 'lsp-workspaces)
    (seq-find (lambda (one) (eq (lsp--client-server-id (lsp--workspace-client one)) 'meaning-ls)) (lsp-workspaces))))

(defun meaning-ls--plist (value)
  "Return VALUE, which lsp-mode read from JSON, with plists for its hash tables."
  (cond ((hash-table-p value)
         (let (plist)
           (maphash (lambda (key one)
                      (setq plist `(,(intern (concat ":" key)) ,(meaning-ls--plist one) ,@plist)))
                    value)
           plist))
        ((vectorp value) (vconcat (mapcar #'meaning-ls--plist value)))
        (t value)))

(with-eval-after-load 'lsp-mode
  (cl-defmethod meaning-ls--request ((server lsp--workspace) method params)
    "Return the answer of SERVER, one of lsp-mode, to METHOD with PARAMS."
    (let ((lsp--cur-workspace server))
      (meaning-ls--plist (lsp-request (substring (symbol-name method) 1) params))))

  (cl-defmethod meaning-ls--encoding ((server lsp--workspace))
    "Return the position encoding of SERVER."
    (or (plist-get (meaning-ls--plist (lsp--workspace-server-capabilities server)) :positionEncoding) "utf-16"))

  (lsp-register-client
   (make-lsp-client
    :server-id 'meaning-ls
    :new-connection (lsp-stdio-connection (lambda () meaning-ls-command))
    :activation-fn (lambda (&rest _) t)
    :add-on? t                          ; beside the language's own server, whatever the language
    :priority -1
    :initialization-options (lambda () meaning-ls-settings)
    ;; lsp-mode counts characters; version 8 does not say so, and would be served with utf-16.
    :custom-capabilities '((general . ((positionEncodings . ["utf-32" "utf-16"]))))
    :notification-handlers (let ((handlers (make-hash-table :test #'equal)))
                             (puthash "semanticIndex/status"
                                      (lambda (workspace params)
                                        (meaning-ls--take-status
                                         workspace (plist-get (meaning-ls--plist params) :folders)))
                                      handlers)
                             handlers))))

(provide 'meaning-ls-hosts)
;;; meaning-ls-hosts.el ends here
