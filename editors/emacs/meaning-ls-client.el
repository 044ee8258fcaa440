;;; meaning-ls-client.el --- The server of a project  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 the meaning-ls authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Starts one meaning-ls for a project, keeps it informed of the buffers that visit files of that project, tells its
;; state in the mode line, and ends it.  Knows nothing of questions beyond sending a request and waiting.

;;; Code:

(require 'cl-lib)
(require 'jsonrpc)
(require 'project)
(require 'seq)
(require 'subr-x)
(require 'url-util)

(defgroup meaning-ls nil
  "Find code by what it does."
  :group 'tools)

(defcustom meaning-ls-command '("meaning-ls")
  "The server and its options."
  :type '(repeat string))

(defcustom meaning-ls-settings nil
  "Settings of the server, as a plist: (:exclude (\"vendor/\") :threads 2).
Servers that run keep theirs until `meaning-ls-restart'."
  :type 'plist)

(defcustom meaning-ls-limit 40
  "How many hits are listed."
  :type '(integer :tag "1 to 200"))

(defcustom meaning-ls-change-delay 0.4
  "Seconds of rest after which unsaved text is passed on."
  :type 'number)

(defconst meaning-ls--max-size 1000000
  "Longest text that is passed on; the server leaves out larger files.")

(defconst meaning-ls--seconds 30
  "How long an answer is waited for.")


;;;; Servers: one for a project

(defclass meaning-ls-server (jsonrpc-process-connection)
  ((root :initarg :root :reader meaning-ls--root :documentation "The folder, with a slash at its end.")
   (encoding :initform nil :accessor meaning-ls--own-encoding :documentation "How columns count; nil until it listens.")
   (request-id :initform nil :accessor meaning-ls--request-id :documentation "Number of the last request.")
   (stopping :initform nil :accessor meaning-ls--stopping :documentation "Whether its end is expected."))
  :documentation "A process of meaning-ls that is our own, not one of Eglot or lsp-mode.")

(defvar meaning-ls--servers (make-hash-table :test #'equal)
  "Our own servers that run, by the root of their project.")

(defvar meaning-ls--status (make-hash-table :test #'eq :weakness 'key)
  "What each server last told of its folders, those of others included.")

(defvar-local meaning-ls--server nil "The server that knows this buffer.")
(defvar-local meaning-ls--uri nil "What the server calls this buffer; nil while it has not been told of it.")
(defvar-local meaning-ls--version 0 "Number of the text that the server was sent last.")
(defvar-local meaning-ls--timer nil "Passes on what has changed; nil when nothing has.")

(defun meaning-ls--uri-of (path)
  "Return the URI of the file PATH."
  (concat "file://" (unless (string-prefix-p "/" path) "/") (url-hexify-string path url-path-allowed-chars)))

(defun meaning-ls--path-of (uri)
  "Return the path of a file's URI."
  (let ((path (decode-coding-string (url-unhex-string (string-remove-prefix "file://" uri)) 'utf-8)))
    (if (string-match-p "\\`/[A-Za-z]:" path) (substring path 1) path)))

(defun meaning-ls--project (&optional ask)
  "Return the root of the project around here, nil if there is none.
With ASK non-nil, ask which."
  (when-let ((project (or (project-current) (and ask (project-current t)))))
    (expand-file-name (file-name-as-directory (project-root project)))))

(defun meaning-ls--start (root)
  "Start a server for the project in ROOT, and return it."
  (when (file-remote-p root)
    (user-error "This project is on another machine; meaning-ls works on files of this one"))
  (unless (executable-find (car meaning-ls-command))
    (user-error "There is no program `%s': install meaning-ls, or set `meaning-ls-command'" (car meaning-ls-command)))
  (let* ((default-directory root)
         (name (format "meaning-ls %s" (file-name-nondirectory (directory-file-name root))))
         ;; Nobody reads every message; Emacs 30 calls that otherwise.
         (unlogged (if (slot-exists-p 'jsonrpc-connection '-events-buffer-config)
                       '(:events-buffer-config (:size 0))
                     '(:events-buffer-scrollback-size 0)))
         (start (lambda ()
                  (make-process :name name :command meaning-ls-command :connection-type 'pipe
                                :coding 'utf-8-emacs-unix :noquery t
                                :stderr (get-buffer-create (format "*%s stderr*" name)))))
         (server (apply #'make-instance 'meaning-ls-server :name name :root root :process start
                        :notification-dispatcher #'meaning-ls--notified
                        :request-dispatcher #'meaning-ls--requested
                        :on-shutdown #'meaning-ls--ended
                        unlogged)))
    (puthash root server meaning-ls--servers)
    (add-hook 'find-file-hook #'meaning-ls--visited)
    (add-hook 'kill-emacs-hook #'meaning-ls-shutdown-all)
    (jsonrpc-async-request
     server :initialize
     (list :processId (emacs-pid)
           :clientInfo (list :name "Emacs meaning-ls" :version emacs-version)
           :rootUri (meaning-ls--uri-of root)
           :workspaceFolders (vector (list :uri (meaning-ls--uri-of root) :name name))
           :initializationOptions (or (mapcar (lambda (value) (if (consp value) (vconcat value) value))
                                              meaning-ls-settings)
                                      (make-hash-table))
           ;; Emacs counts characters, which is what LSP calls utf-32.
           :capabilities '(:general (:positionEncodings ["utf-32" "utf-16"])
                           :workspace (:workspaceFolders t)
                           :textDocument (:synchronization (:didSave t))))
     :timeout meaning-ls--seconds
     :success-fn (lambda (result)
                   (setf (meaning-ls--own-encoding server)
                         (or (plist-get (plist-get result :capabilities) :positionEncoding) "utf-16"))
                   (jsonrpc-notify server :initialized (make-hash-table))
                   (meaning-ls--join-all server))
     :timeout-fn (lambda () (message "meaning-ls does not answer; M-x meaning-ls-restart starts it anew"))
     :error-fn (jsonrpc-lambda (&key message &allow-other-keys) (message "meaning-ls: %s" message)))
    server))

(defun meaning-ls--ensure (root)
  "Return the server of the project in ROOT, started and listening."
  (let ((server (or (gethash root meaning-ls--servers) (meaning-ls--start root))))
    (unless (meaning-ls--own-encoding server)
      (message "Starting meaning-ls...")
      (while (and (jsonrpc-running-p server) (not (meaning-ls--own-encoding server)))
        (accept-process-output nil 0.05))
      (message nil))
    (unless (jsonrpc-running-p server)
      (user-error "The meaning-ls server ended at once; its last words are in buffer `%s'"
                  (jsonrpc-stderr-buffer server)))
    server))

(defun meaning-ls--stop (server)
  "Have SERVER end, and wait until it has."
  (setf (meaning-ls--stopping server) t)
  (ignore-errors (jsonrpc-request server :shutdown nil :timeout 3))
  (ignore-errors (jsonrpc-notify server :exit nil))
  (with-timeout (3) (while (jsonrpc-running-p server) (accept-process-output nil 0.02)))
  (ignore-errors (jsonrpc-shutdown server t)))

(defun meaning-ls-shutdown ()
  "End the server of this project; one of Eglot or lsp-mode is left to them."
  (interactive)
  (when-let ((server (gethash (meaning-ls--project) meaning-ls--servers)))
    (meaning-ls--stop server)))

(defun meaning-ls-shutdown-all ()
  "End all servers that were started here."
  (interactive)
  (mapc #'meaning-ls--stop (hash-table-values meaning-ls--servers)))

(defun meaning-ls-restart ()
  "End the server of this project and start it again, with the settings of now."
  (interactive)
  (meaning-ls-shutdown)
  (meaning-ls--ensure (meaning-ls--project t)))


(defun meaning-ls--ended (server)
  "Forget SERVER, whose process has ended."
  (when (eq server (gethash (meaning-ls--root server) meaning-ls--servers))
    (remhash (meaning-ls--root server) meaning-ls--servers))
  (dolist (buffer (meaning-ls--buffers server))
    (with-current-buffer buffer
      (setq meaning-ls--uri nil)
      (meaning-ls-mode -1)))
  (when (hash-table-empty-p meaning-ls--servers)
    (remove-hook 'find-file-hook #'meaning-ls--visited))
  (unless (meaning-ls--stopping server)
    (message "meaning-ls has ended; the next question starts it again. Its last words are in buffer `%s'"
             (jsonrpc-stderr-buffer server))))

(defun meaning-ls--requested (_server method _params)
  "Refuse what a server asks for by METHOD: nothing was announced."
  (jsonrpc-error :code -32601 :message (format "%s is not known here" method)))

(defun meaning-ls--notified (server method params)
  "Take the notification METHOD of SERVER with PARAMS."
  (pcase method
    ('semanticIndex/status (meaning-ls--take-status server (plist-get params :folders)))
    ('window/showMessage (message "%s" (plist-get params :message)))))

(defun meaning-ls--take-status (server folders)
  "Remember FOLDERS, the status told by SERVER, and show it."
  (let ((before (plist-get (meaning-ls--folder server) :state)))
    (puthash server folders meaning-ls--status)
    (let ((folder (meaning-ls--folder server)))
      (when (and (equal (plist-get folder :state) "failed") (not (equal before "failed")))
        (message "meaning-ls: %s" (plist-get folder :message)))))
  (force-mode-line-update t))

(defun meaning-ls--folder (server)
  "Return the status of the first folder of SERVER, nil if none was told."
  (let ((folders (gethash server meaning-ls--status)))
    (and (> (length folders) 0) (elt folders 0))))


;;;; Documents: what is open, unsaved text included

;;;###autoload
(define-minor-mode meaning-ls-mode
  "Have the meaning-ls of this project know this buffer, unsaved text included."
  :lighter (:eval (meaning-ls--lighter))
  (remove-hook 'after-change-functions #'meaning-ls--changed t)
  (remove-hook 'after-save-hook #'meaning-ls--saved t)
  (remove-hook 'after-revert-hook #'meaning-ls--saved t)
  (remove-hook 'after-set-visited-file-name-hook #'meaning-ls--renamed t)
  (remove-hook 'kill-buffer-hook #'meaning-ls--leave t)
  (remove-hook 'change-major-mode-hook #'meaning-ls--leave t)
  (if (not meaning-ls-mode)
      (meaning-ls--leave)
    (let ((root (and buffer-file-name (meaning-ls--project))))
      (unless root
        (setq meaning-ls-mode nil)
        (user-error "This buffer visits no file of a project"))
      (setq meaning-ls--server (or (gethash root meaning-ls--servers) (meaning-ls--start root)))
      (add-hook 'after-change-functions #'meaning-ls--changed nil t)
      (add-hook 'after-save-hook #'meaning-ls--saved nil t)
      (add-hook 'after-revert-hook #'meaning-ls--saved nil t)
      (add-hook 'after-set-visited-file-name-hook #'meaning-ls--renamed nil t)
      (add-hook 'kill-buffer-hook #'meaning-ls--leave nil t)
      (add-hook 'change-major-mode-hook #'meaning-ls--leave nil t)
      (meaning-ls--join))))

;;;###autoload
(define-globalized-minor-mode global-meaning-ls-mode meaning-ls-mode meaning-ls--turn-on
  :group 'meaning-ls)

(defun meaning-ls--turn-on ()
  "Turn on `meaning-ls-mode' in a file of a project, and do nothing elsewhere."
  (when (and buffer-file-name
             (not (file-remote-p buffer-file-name))
             (not meaning-ls-mode)
             (<= (buffer-size) meaning-ls--max-size)
             (executable-find (car meaning-ls-command))
             (meaning-ls--project))
    (meaning-ls-mode 1)))

(defun meaning-ls--visited ()
  "Make this buffer known to the server of its project, if there is one."
  (when-let ((root (and buffer-file-name (not (file-remote-p buffer-file-name)) (meaning-ls--project))))
    (when (gethash root meaning-ls--servers) (meaning-ls--turn-on))))

(defun meaning-ls--join-all (server)
  "Tell SERVER, which now listens, of every buffer of its project."
  (dolist (buffer (buffer-list))
    (with-current-buffer buffer
      (if (eq meaning-ls--server server)
          (meaning-ls--join)
        (and buffer-file-name
             (string-prefix-p (meaning-ls--root server) (expand-file-name buffer-file-name))
             (meaning-ls--visited))))))

(defun meaning-ls--buffers (server)
  "Return the buffers that SERVER knows, or is to know."
  (seq-filter (lambda (buffer) (eq (buffer-local-value 'meaning-ls--server buffer) server)) (buffer-list)))

(defun meaning-ls--text ()
  "Return the text of this buffer as it can be sent.
Characters that are not of Unicode are replaced, one for one."
  (save-restriction
    (widen)
    (replace-regexp-in-string "[^\0-\ud7ff\ue000-\U0010ffff]" "\ufffd"
                              (buffer-substring-no-properties (point-min) (point-max)) t t)))

(defun meaning-ls--join ()
  "Send this buffer, if its server listens and has not been sent it."
  (when (and (not meaning-ls--uri) (meaning-ls--own-encoding meaning-ls--server))
    (setq meaning-ls--uri (meaning-ls--uri-of (expand-file-name buffer-file-name)))
    (jsonrpc-notify meaning-ls--server :textDocument/didOpen
                    (list :textDocument
                          (list :uri meaning-ls--uri :version (cl-incf meaning-ls--version) :text (meaning-ls--text)
                                :languageId (replace-regexp-in-string "\\(-ts\\)?-mode\\'" ""
                                                                      (symbol-name major-mode)))))))

(defun meaning-ls--leave ()
  "Take this buffer away from its server."
  (when meaning-ls--timer (cancel-timer meaning-ls--timer))
  (when (and meaning-ls--uri (jsonrpc-running-p meaning-ls--server))
    (jsonrpc-notify meaning-ls--server :textDocument/didClose (list :textDocument (list :uri meaning-ls--uri))))
  (setq meaning-ls--server nil meaning-ls--uri nil meaning-ls--timer nil))

(defun meaning-ls--renamed ()
  "Follow this buffer to the file that it visits now."
  (meaning-ls-mode -1)
  (meaning-ls--visited))

(defun meaning-ls--changed (&rest _)
  "Have the text of this buffer sent once the user rests."
  (unless meaning-ls--timer
    (setq meaning-ls--timer (run-with-idle-timer meaning-ls-change-delay nil #'meaning-ls--send (current-buffer)))))

(defun meaning-ls--send (buffer)
  "Send the text of BUFFER if it has changed.
All of it: that is a few milliseconds, and cannot go out of step."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (when meaning-ls--timer
        (cancel-timer meaning-ls--timer)
        (setq meaning-ls--timer nil)
        (when (and meaning-ls--uri (jsonrpc-running-p meaning-ls--server))
          (jsonrpc-notify meaning-ls--server :textDocument/didChange
                          (list :textDocument (list :uri meaning-ls--uri :version (cl-incf meaning-ls--version))
                                :contentChanges (vector (list :text (meaning-ls--text))))))))))

(defun meaning-ls--saved ()
  "Have the file of this buffer indexed."
  (meaning-ls--send (current-buffer))
  (when (and meaning-ls--uri (jsonrpc-running-p meaning-ls--server))
    (jsonrpc-notify meaning-ls--server :textDocument/didSave (list :textDocument (list :uri meaning-ls--uri)))))

(defun meaning-ls--progress (folder)
  "Describe the work on FOLDER in a few words, nil when there is none."
  (pcase (plist-get folder :state)
    ((or "ready" "reading") nil)
    ("indexing" (format "indexing, %d of %d files" (plist-get folder :filesDone) (plist-get folder :filesTotal)))
    ('nil "starting")
    (state state)))

(defun meaning-ls--lighter ()
  "Return the part of the mode line that is ours."
  (let ((folder (meaning-ls--folder meaning-ls--server)))
    (propertize (if-let ((progress (meaning-ls--progress folder))) (format " Meaning(%s)" progress) " Meaning")
                'help-echo (or (plist-get folder :message)
                               (format "meaning-ls: %s symbols can be found" (or (plist-get folder :embedded) 0))))))


;;;; Requests

(cl-defgeneric meaning-ls--request (server method params)
  "Return the answer of SERVER to METHOD with PARAMS.")

(cl-defmethod meaning-ls--request ((server jsonrpc-connection) method params)
  "Return the answer of SERVER, ours or one of Eglot, to METHOD with PARAMS."
  (condition-case trouble
      (jsonrpc-request server method params :timeout meaning-ls--seconds)
    (jsonrpc-error (user-error "meaning-ls: %s" (or (alist-get 'jsonrpc-error-message (cddr trouble))
                                                    (error-message-string trouble))))))

(cl-defmethod meaning-ls--request :around ((server meaning-ls-server) _method _params)
  "Send unsaved text to SERVER first, and cancel what nobody waits for.
A live completion interface gives a question up when its user types on."
  (mapc #'meaning-ls--send (meaning-ls--buffers server))
  (let (answered)
    (unwind-protect
        (prog1 (cl-call-next-method) (setq answered t))
      (unless (or answered (not (jsonrpc-running-p server)))
        (jsonrpc-notify server :$/cancelRequest (list :id (meaning-ls--request-id server)))))))

(cl-defmethod jsonrpc-connection-send :before ((server meaning-ls-server) &key id method &allow-other-keys)
  "Remember the ID of a request to SERVER, known by its METHOD."
  (when (and id method) (setf (meaning-ls--request-id server) id)))

(cl-defgeneric meaning-ls--encoding (server)
  "Return the position encoding of SERVER.")

(cl-defmethod meaning-ls--encoding ((server meaning-ls-server))
  "Return the position encoding agreed with SERVER."
  (meaning-ls--own-encoding server))

(provide 'meaning-ls-client)
;;; meaning-ls-client.el ends here
