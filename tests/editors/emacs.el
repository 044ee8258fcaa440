;;; emacs.el --- Drives Emacs as a user would, and writes what happened as JSON  -*- lexical-binding: t; -*-

;;; Commentary:

;; Run by test_emacs.py: emacs --batch -l this file, with the facts in an environment variable; `way' names the client.

;;; Code:

(require 'cl-lib)
(require 'json)
(require 'package)
(require 'xref)

(defvar facts (json-parse-string (getenv "MEANING_FACTS") :object-type 'alist))
(defun fact (name) (alist-get name facts))
(defvar seen nil "What happened, an alist.")
(defun saw (name value) (push (cons name value) seen))

(setq user-emacs-directory (file-name-as-directory (fact 'home))
      project-list-file (expand-file-name "projects" user-emacs-directory)
      lsp-session-file (expand-file-name "lsp-session" user-emacs-directory)
      lsp-enable-snippet nil
      lsp-auto-guess-root t
      lsp-warn-no-matched-clients nil
      meaning-ls-use-consult nil        ; in batch there is nobody to choose; test_emacs_live.py does
      make-backup-files nil
      create-lockfiles nil
      meaning-ls-command (append (fact 'command) nil)
      ;; The editor's own sources are not asked what a package is.
      package-user-dir (expand-file-name "elpa" user-emacs-directory))
(setq native-comp-deferred-compilation nil     ; a new home has nothing compiled, and tests need no speed
      native-comp-enable-subr-trampolines nil) ; for which an unpacked Emacs cannot start itself once more
(package-initialize)

(defun wait (what done)
  "Wait until DONE returns something true, and return it; WHAT says what for."
  (let ((end (+ (float-time) (fact 'seconds))) found)
    (while (not (setq found (funcall done)))
      (when (> (float-time) end) (error "Waited in vain for %s" what))
      (accept-process-output nil 0.05))
    found))

(defvar told nil "Every status that was told, newest first: (STATE SYMBOLS EMBEDDED).")

(defun remember (_server folders)
  "Remember a status as it was told."
  (seq-doseq (folder folders)
    (push (list (plist-get folder :state) (plist-get folder :symbols) (plist-get folder :embedded)) told)))

(defun ready ()
  "Return whether everything is indexed."
  (pcase (car told) (`("ready" ,symbols ,embedded) (and (> symbols 0) (= symbols embedded)))))

(defun after-a-pass (change)
  "Do CHANGE, and wait until the server has found it."
  (let ((before (length told)))
    (funcall change)
    (wait "the change to be indexed"
          (lambda () (and (assoc "indexing" (butlast told before)) (ready))))))

(defun here ()
  "Return what a user sees: file, line, and what stands at point."
  `((path . ,buffer-file-name)
    (line . ,(buffer-substring-no-properties (line-beginning-position) (line-end-position)))
    (rest . ,(buffer-substring-no-properties (point) (line-end-position)))))

(defun in-xref (what)
  "Return WHAT of each item of the *xref* buffer."
  (with-current-buffer "*xref*"
    (goto-char (point-min))
    (let (found item)
      (while (setq item (ignore-errors (xref--search-property 'xref-item)))
        (push (funcall what item) found))
      (vconcat (nreverse found)))))

(defun rows ()
  "Return the rows of the *xref* buffer."
  (in-xref (lambda (item)
             (substring-no-properties (if (fboundp 'xref-item-summary) (xref-item-summary item)
                                        (slot-value item 'summary))))))

(defun files ()
  "Return the name of each row's file in the *xref* buffer."
  (in-xref (lambda (item) (file-name-nondirectory (xref-location-group (xref-item-location item))))))

(defun jump ()
  "Jump to the first row of the *xref* buffer."
  (with-current-buffer "*xref*"
    (goto-char (point-min))
    (xref--search-property 'xref-item)
    (save-window-excursion (xref-goto-xref)
                           (with-current-buffer (window-buffer (selected-window)) (here)))))

(defun visit (name)
  "Visit a file of the project."
  (switch-to-buffer (find-file-noselect (expand-file-name name (fact 'root)))))

(defun add (text)
  "Put TEXT at the end of this buffer and save it."
  (goto-char (point-max))
  (insert text)
  (save-buffer))

(defun processes ()
  "Return how many processes Emacs runs; the pipes of their errors are none."
  (cl-count-if (lambda (process) (and (eq (process-type process) 'real) (process-live-p process))) (process-list)))

(defun names (hits) "Return the names of HITS." (vconcat (mapcar #'meaning-ls-hit-name hits)))

(defun warnings ()
  "Return what Emacs has warned of."
  (if (get-buffer "*Warnings*") (with-current-buffer "*Warnings*" (buffer-string)) ""))

;;; The client of our own, beside Eglot and the server that it has for the language.

(defun way-own ()
  (visit "src/prices.py")
  (require 'eglot)
  (eglot-ensure)
  (run-hooks 'post-command-hook)        ; in batch nobody types, and Eglot waits for that
  (wait "the language's own server" #'eglot-current-server)
  (require 'meaning-ls)
  (advice-add 'meaning-ls--take-status :after #'remember)
  (global-meaning-ls-mode 1)
  (saw 'lighter-at-first (substring-no-properties (meaning-ls--lighter)))
  (wait "an index that is ready" #'ready)
  (saw 'lighter (substring-no-properties (meaning-ls--lighter)))
  (saw 'processes (processes))
  (when (eglot-current-server)
    (goto-char (point-min))
    (search-forward "return net")
    (xref-find-definitions "net")
    (saw 'definition (here)))

  (let ((hits (meaning-ls-search (fact 'question))))
    (saw 'names (names hits))
    (saw 'scores (vconcat (mapcar #'meaning-ls-hit-score hits))))
  (find-by-meaning (fact 'question))
  (saw 'rows (rows))
  (saw 'jump (jump))
  (saw 'back (progn (visit "src/mail.js") (xref-go-back) (file-name-nondirectory buffer-file-name)))

  (visit "engine/words.py")
  (saw 'name (names (meaning-ls-search (fact 'name))))
  (goto-char (point-min))
  (search-forward "def ")
  (find-similar (point) (point))
  (saw 'similar (rows))

  ;; Candidates of the completion: all of them, in their order, whatever letters they have.
  (let* ((ask (lambda (text) (cons (meaning-ls-search text) "said")))
         (table (meaning-ls--table ask))
         (metadata (completion-metadata (fact 'question) table nil))
         (all (completion-all-completions (fact 'question) table nil (length (fact 'question)) metadata)))
    (when (consp all) (setcdr (last all) nil))
    (saw 'listed (names (meaning-ls-search (fact 'question))))
    (saw 'candidates (vconcat (funcall (completion-metadata-get metadata 'display-sort-function) all)))
    (saw 'cycled (vconcat (funcall (completion-metadata-get metadata 'cycle-sort-function) all)))
    (saw 'title (funcall (completion-metadata-get metadata 'group-function) (car all) nil))
    (saw 'chosen (meaning-ls-hit-name (funcall table (car all) nil 'meaning-ls-hit))))

  ;; What is open, and its unsaved text, are known before the next answer; bytes that are no text do no harm.
  (visit "src/mail.js")
  (goto-char (point-min))
  (insert "/* \N{PARTY POPPER} " (string #x3fff80) " */")
  (let* (sent (record (lambda (_server method params) (push (cons method params) sent))))
    (advice-add 'jsonrpc-notify :before record)
    (saw 'open (names (meaning-ls-search "open:")))
    (advice-remove 'jsonrpc-notify record)
    (pcase sent
      (`((:textDocument/didChange . ,params))
       (saw 'unsaved (plist-get (elt (plist-get params :contentChanges) 0) :text)))))
  (set-buffer-modified-p nil)
  (kill-buffer)
  (saw 'closed (names (meaning-ls-search "open:")))

  ;; A question that is given up is cancelled, and the next one is answered.
  (let* (sent (record (lambda (_server method params) (push (cons method params) sent))))
    (advice-add 'jsonrpc-notify :before record)
    (with-timeout (0) (meaning-ls-search (fact 'question)))
    (advice-remove 'jsonrpc-notify record)
    (saw 'cancelled (vconcat (mapcar #'car sent)))
    (saw 'after-cancel (names (meaning-ls-search (fact 'question)))))

  (visit "src/prices.py")
  (after-a-pass (lambda () (add (fact 'added))))
  (wait "what was saved"                ; the pass may have been one that had begun before
        (lambda () (equal "postage" (car (append (names (meaning-ls-search (fact 'second))) nil)))))
  (find-by-meaning (fact 'second))
  (saw 'again (jump))

  ;; A new file, by another name than its buffer was made for.
  (visit "src/draft.py")
  (after-a-pass (lambda () (set-visited-file-name (expand-file-name "src/final.py" (fact 'root)) t)
                  (add "def unpack_parcel(box):\n    return box.content\n")))
  (saw 'renamed (names (meaning-ls-search "unpack_parcel")))

  ;; At rest nothing is said, and nothing waits to be sent.
  (let ((before (length told)))
    (sleep-for 1.2)
    (saw 'said-at-rest (- (length told) before)))

  ;; A server that dies is told of, and the next question starts another.
  (let ((server meaning-ls--server))
    (setq told nil)
    (signal-process (jsonrpc--process server) 'kill)
    (wait "the end of the server" (lambda () (null meaning-ls--server)))
    (meaning-ls-search "")
    (wait "an index that is ready" #'ready)
    (saw 'after-death (names (meaning-ls-search (fact 'question)))))
  (meaning-ls-pause)
  (wait "a pause" (lambda () (equal (car (car told)) "paused")))
  (saw 'lighter-paused (substring-no-properties (meaning-ls--lighter)))
  (meaning-ls-resume)
  (wait "an index that is ready" #'ready)
  (meaning-ls-status)
  (meaning-ls-why)
  (saw 'too-long (condition-case trouble (meaning-ls-search (make-string 10001 ?x)) (user-error (cadr trouble))))
  (setq told nil
        meaning-ls-settings '(:exclude ("engine/") :threads 1))
  (meaning-ls-restart)
  (wait "an index that is ready" #'ready)
  (saw 'files (delete-dups (mapcar (lambda (hit) (file-relative-name (meaning-ls-hit-file hit) (fact 'root)))
                                   (meaning-ls-search "kind:function"))))
  (meaning-ls-shutdown)
  (saw 'server-after-shutdown (and meaning-ls--server t))
  (saw 'modes-after-shutdown (and meaning-ls-mode t))
  (let ((meaning-ls-command '("no-such-program")))
    (saw 'missing (condition-case trouble (meaning-ls-search "anything") (user-error (cadr trouble))))))

;;; Eglot with meaning-ls as the server of a mode: first as it comes, then with our package.

(defun way-eglot ()
  (require 'eglot)
  (cl-defmethod eglot-handle-notification (server (_method (eql semanticIndex/status)) &key folders &allow-other-keys)
    (remember server folders))
  (add-to-list 'eglot-server-programs (cons '(js-mode python-mode) meaning-ls-command))
  (visit "src/mail.js")
  (eglot-ensure)
  (run-hooks 'post-command-hook)
  (wait "an index that is ready" #'ready)
  (saw 'encoding (plist-get (eglot--capabilities (eglot-current-server)) :positionEncoding))
  (saw 'served (vconcat (mapcar (lambda (symbol)
                                  (file-name-nondirectory (plist-get (plist-get symbol :location) :uri)))
                                (jsonrpc-request (eglot-current-server) :workspace/symbol
                                                 (list :query (fact 'question))))))
  (xref-find-apropos (fact 'question))
  (saw 'rows (rows))
  (saw 'files (files))
  (saw 'jump (jump))
  (visit "src/mail.js")
  (xref-find-apropos (fact 'name))
  (saw 'name (rows))
  (visit "src/prices.py")
  (after-a-pass (lambda () (add (fact 'added))))
  (xref-find-apropos (fact 'second))
  (saw 'again (jump))
  (let ((before (length told)))
    (sleep-for 1.2)
    (saw 'said-at-rest (- (length told) before)))

  (visit "src/mail.js")
  (require 'meaning-ls)
  (find-by-meaning (fact 'question))
  (saw 'own-rows (rows))
  (saw 'own-jump (jump))
  (saw 'processes (processes))
  (visit "src/mail.js")
  (saw 'warnings (warnings))            ; while it shuts down Eglot 1.17 may warn of its own haste
  (eglot-shutdown (eglot-current-server)))

;;; lsp-mode, which our package tells of meaning-ls.

(defun way-lsp ()
  (require 'lsp-mode)
  (require 'meaning-ls)
  (advice-add 'meaning-ls--take-status :after #'remember)
  (visit "src/prices.py")
  (lsp)
  (wait "an index that is ready" #'ready)
  (saw 'encoding (meaning-ls--encoding (meaning-ls--of-lsp-mode)))
  ;; What `xref-find-apropos' of lsp-mode 8.0 to 10.0 makes of it is a line too early, or an error when that is line 0.
  (dolist (ask '((rows . question) (name . name)))
    (saw (car ask) (vconcat (mapcar (lambda (symbol) (gethash "name" symbol))
                                    (lsp-request "workspace/symbol" (list :query (fact (cdr ask))))))))
  (after-a-pass (lambda () (add (fact 'added))))
  (let ((before (length told)))
    (sleep-for 1.2)
    (saw 'said-at-rest (- (length told) before)))

  (visit "src/prices.py")
  (find-by-meaning (fact 'question))
  (saw 'own-rows (rows))
  (saw 'own-jump (jump))
  (visit "src/prices.py")
  (find-by-meaning (fact 'second))
  (saw 'again (jump))
  (visit "src/prices.py")
  (find-similar (point-min) (line-end-position))
  (saw 'similar (rows))
  (saw 'processes (processes))
  (visit "src/prices.py")
  (saw 'beside (vconcat (mapcar (lambda (one) (symbol-name (lsp--client-server-id (lsp--workspace-client one))))
                                (lsp-workspaces))))
  (setq lsp-restart 'ignore)
  (mapc #'lsp-workspace-shutdown (lsp-workspaces)))

;;; What `meaning-ls config emacs' prints, without our package: lsp-mode, and Eglot in a mode without a server of its own.

(defun way-config ()
  (require 'lsp-mode)
  (require 'eglot)
  (load (fact 'config) nil t)
  (visit "src/mail.js")
  (lsp)
  (wait "an index that is ready"
        (lambda ()
          (when (lsp-workspaces)
            (let ((folders (gethash "folders" (lsp-request "workspace/semanticIndex" nil))))
              (and (> (length folders) 0) (equal (gethash "state" (aref folders 0)) "ready")
                   (> (gethash "symbols" (aref folders 0)) 0))))))
  (let ((best (gethash "location" (car (append (lsp-request "workspace/symbol" (list :query (fact 'question))) nil)))))
    (goto-char (lsp--position-to-point (gethash "start" (gethash "range" best))))
    (saw 'lsp (here)))
  (setq lsp-restart 'ignore)
  (lsp-workspace-shutdown (car (lsp-workspaces)))
  (visit "notes.txt")
  (eglot-ensure)
  (run-hooks 'post-command-hook)
  (wait "a connection" #'eglot-current-server)
  (wait "an answer" (lambda () (ignore-errors (xref-find-apropos (fact 'question)) (> (length (rows)) 0))))
  (saw 'eglot (jump))
  (visit "notes.txt")
  (saw 'warnings (warnings))            ; while it shuts down Eglot 1.17 may warn of its own haste
  (eglot-shutdown (eglot-current-server)))

(condition-case-unless-debug trouble
    (funcall (intern (concat "way-" (fact 'way))))
  (error (saw 'trouble (format "%S" trouble))))
(saw 'states (vconcat (mapcar #'car (reverse told))))
(unless (assq 'warnings seen) (saw 'warnings (warnings)))
(saw 'messages (with-current-buffer (messages-buffer) (buffer-string)))
(write-region (json-encode seen) nil (fact 'report) nil 'silent)
(kill-emacs 0)
