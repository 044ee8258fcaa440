;;; meaning-ls.el --- Find code by what it does  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 the meaning-ls authors
;; SPDX-License-Identifier: MIT

;; Author: the meaning-ls authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: languages, matching, tools

;;; Commentary:

;; Ask in plain words, get the function:
;;
;;   M-x find-by-meaning   how are retries delayed
;;   M-x find-similar      code like the region, or like what point is in
;;
;; The answers come from the language server `meaning-ls', which runs on this machine.  A project gets one at its first
;; question, or as soon as one of its files is visited where `global-meaning-ls-mode' is on.  It runs beside Eglot,
;; which has one server for a buffer and gives that place to the language's own.  Where Eglot or lsp-mode already talk
;; to meaning-ls in a buffer, their connection is used and nothing is started.
;;
;; In a completion interface that is live (Vertico, Icomplete, Fido) the hits follow the question as it is typed; with
;; Consult they are previewed, too.  In the default one, TAB lists the hits, and RET shows them in an *xref* buffer,
;; best first: `n' and `p' look at them, RET jumps, `M-,' comes back.

;;; Code:

(require 'cl-lib)
(require 'seq)
(require 'xref)
(require 'meaning-ls-client)
(require 'meaning-ls-hosts)

;;;; Questions

(cl-defstruct (meaning-ls-hit (:include xref-file-location))
  "A symbol that was found.  `line' counts from 1, `column' from 0 in units of `encoding'."
  name container kind preview detail score match encoding)

(defun meaning-ls--ask-whom ()
  "Return the server to ask: one that serves this buffer already, else our own."
  (or (meaning-ls--of-eglot)
      (meaning-ls--of-lsp-mode)
      (meaning-ls--ensure (meaning-ls--project t))))

(defun meaning-ls--here ()
  "Return the params for where the user is."
  (when buffer-file-name
    (list :textDocument (list :uri (or meaning-ls--uri (meaning-ls--uri-of (expand-file-name buffer-file-name)))))))

(defun meaning-ls--hits (server result)
  "Return the hits in the RESULT of SERVER, best first."
  (let ((encoding (meaning-ls--encoding server)))
    (mapcar
     (lambda (symbol)
       (let ((start (plist-get (plist-get symbol :selectionRange) :start)))
         (make-meaning-ls-hit
          :file (meaning-ls--path-of (plist-get (plist-get symbol :location) :uri))
          :line (1+ (plist-get start :line)) :column (plist-get start :character) :encoding encoding
          :name (plist-get symbol :name) :container (plist-get symbol :containerName) :kind (plist-get symbol :kind)
          :preview (plist-get symbol :preview) :detail (plist-get symbol :detail)
          :score (plist-get symbol :score) :match (plist-get symbol :match))))
     (plist-get result :symbols))))

(defun meaning-ls--units (text encoding)
  "Return the length of TEXT in ENCODING."
  (pcase encoding
    ("utf-32" (length text))
    ("utf-8" (string-bytes text))
    (_ (+ (length text) (cl-count-if (lambda (char) (> char #xffff)) text)))))

(defun meaning-ls--position (place encoding)
  "Return PLACE of this buffer for LSP, its column counted in ENCODING."
  (save-restriction
    (widen)
    (save-excursion
      (goto-char place)
      (list :line (1- (line-number-at-pos))
            :character (meaning-ls--units (buffer-substring-no-properties (line-beginning-position) place) encoding)))))

(defun meaning-ls--marker (hit)
  "Return the place of HIT in this buffer."
  (save-restriction
    (widen)
    (save-excursion
      (goto-char (point-min))
      (forward-line (1- (meaning-ls-hit-line hit)))
      (let ((units (meaning-ls-hit-column hit)))
        (while (and (> units 0) (not (eolp)))
          (cl-decf units (meaning-ls--units (string (char-after)) (meaning-ls-hit-encoding hit)))
          (forward-char)))
      (point-marker))))

(cl-defmethod xref-location-marker ((hit meaning-ls-hit))
  "Return the place of HIT, its file visited."
  (let ((file (meaning-ls-hit-file hit)))
    (unless (or (get-file-buffer file) (file-exists-p file))
      (user-error "%s is gone; ask again" file))
    (with-current-buffer (find-file-noselect file) (meaning-ls--marker hit))))

(cl-defmethod xref-location-group ((hit meaning-ls-hit))
  "Return a heading for HIT alone.
Hits under one heading for each file would lose their order."
  (concat (meaning-ls--title hit) "  " (meaning-ls--place hit)))

(defun meaning-ls--title (hit)
  "Return the name of HIT with what it stands in."
  (let ((container (meaning-ls-hit-container hit)))
    (if (member container '(nil "")) (meaning-ls-hit-name hit) (concat container "." (meaning-ls-hit-name hit)))))

(defun meaning-ls--place (hit)
  "Return the file of HIT, short if it is in the current project."
  (let ((short (file-relative-name (meaning-ls-hit-file hit) (meaning-ls--project))))
    (if (string-prefix-p ".." short) (abbreviate-file-name (meaning-ls-hit-file hit)) short)))

(defun meaning-ls--item (hit)
  "Return HIT as an xref item."
  (xref-make (or (meaning-ls-hit-preview hit) (meaning-ls-hit-name hit)) hit))

(defun meaning-ls--remark (result)
  "Describe how sure the RESULT is, and of which state of the index."
  (let ((progress (meaning-ls--progress (plist-get result :index)))
        (sure (eq (plist-get result :confident) t)))
    (concat (if sure "By meaning" "Nothing is clearly about this; what is nearest")
            (and progress (format " (%s)" progress)))))

;;;###autoload
(defun meaning-ls-search (question)
  "Return the answer to QUESTION in this project, best first.
It is a list of `meaning-ls-hit'."
  (let ((server (meaning-ls--ask-whom)))
    (meaning-ls--hits server (meaning-ls--semantic-symbol server question (meaning-ls--here)))))

(defun meaning-ls--semantic-symbol (server question here)
  "Return the answer of SERVER to QUESTION from a user who is HERE."
  (meaning-ls--request server :workspace/semanticSymbol `(:query ,question :limit ,meaning-ls-limit ,@here)))


;;;; Choosing: the server's order, whatever the interface

(defvar meaning-ls-history nil "Questions that were asked.")

(defcustom meaning-ls-use-consult t
  "Whether hits are read and previewed with Consult where that is installed."
  :type 'boolean
  :group 'meaning-ls)

(add-to-list 'completion-styles-alist
             '(meaning-ls meaning-ls--complete-try meaning-ls--complete-all "What the server finds, in its order."))
(add-to-list 'completion-category-defaults '(meaning-ls (styles meaning-ls)))

(defun meaning-ls--complete-all (text table &rest _)
  "Return the candidates of TABLE for TEXT, which they need not contain."
  (funcall table text nil 'meaning-ls))

(defun meaning-ls--complete-try (text table _predicate point)
  "Leave TEXT and POINT as they are if TABLE has candidates for it."
  (when (meaning-ls--complete-all text table) (cons text point)))

(defun meaning-ls--candidate (hit)
  "Return HIT as a line to choose, with itself as property."
  (propertize (concat (meaning-ls--title hit)
                      (propertize (format "  %s:%d" (meaning-ls--place hit) (meaning-ls-hit-line hit))
                                  'face 'font-lock-comment-face))
              'meaning-ls-hit hit))

(defun meaning-ls--annotate (candidate)
  "Return what stands behind CANDIDATE."
  (let ((hit (get-text-property 0 'meaning-ls-hit candidate)))
    (propertize (concat "  " (and hit (meaning-ls-hit-preview hit))) 'face 'completions-annotations)))

(defun meaning-ls--table (ask)
  "Return a completion table with the hits that ASK gives for a text.
To the action `meaning-ls' it gives candidates, to `meaning-ls-hit' the
hit of a candidate, and to `meaning-ls-question' the last question."
  (let ((shown (make-hash-table :test #'equal)) question candidates remark)
    (lambda (text _predicate action)
      (pcase action
        ('metadata `(metadata (category . meaning-ls)
                              (display-sort-function . identity)
                              (cycle-sort-function . identity)
                              (group-function . ,(lambda (candidate transform) (if transform candidate remark)))
                              (affixation-function
                               . ,(lambda (all) (mapcar (lambda (one) (list one "" (meaning-ls--annotate one))) all)))))
        ('meaning-ls (unless (or (equal text question) (gethash text shown))
                       (pcase-let ((`(,hits . ,words) (funcall ask text)))
                         (setq candidates (mapcar #'meaning-ls--candidate hits) remark words question text))
                       (dolist (one candidates) (puthash one (get-text-property 0 'meaning-ls-hit one) shown)))
                     (copy-sequence candidates))
        ('meaning-ls-hit (gethash text shown))
        ('meaning-ls-question question)
        ('lambda (gethash text shown))))))

(defun meaning-ls--read (prompt ask)
  "Read a question with PROMPT and show the hits that ASK gives for it.
Return the hit that was chosen, or else the question."
  (let* ((table (meaning-ls--table ask))
         (history-add-new-input nil)
         (text (completing-read prompt table nil nil nil 'meaning-ls-history))
         (hit (funcall table text nil 'meaning-ls-hit)))
    (add-to-history 'meaning-ls-history (if hit (funcall table nil nil 'meaning-ls-question) text))
    (or hit text)))

(declare-function consult--read "consult")
(declare-function consult--dynamic-collection "consult")
(declare-function consult--async-split-initial "consult")
(declare-function consult--temporary-files "consult")
(declare-function consult--jump-state "consult")

(defun meaning-ls--has-consult ()
  "Return whether Consult can be used."
  (and meaning-ls-use-consult (require 'consult nil t) (fboundp 'consult--read) (fboundp 'consult--dynamic-collection)))

(defun meaning-ls--consult-read (prompt candidates)
  "Read a hit with PROMPT among CANDIDATES, and preview them.
CANDIDATES is a list, or a function from the text to one."
  (let ((live (functionp candidates)))
    (consult--read (if live (consult--dynamic-collection candidates) candidates)
                   :prompt prompt :sort nil :require-match t :history (and live '(:input meaning-ls-history))
                   :initial (and live (fboundp 'consult--async-split-initial) (consult--async-split-initial nil))
                   :annotate #'meaning-ls--annotate
                   :lookup (lambda (chosen all &rest _)
                             (when-let ((one (car (member chosen all)))) (get-text-property 0 'meaning-ls-hit one)))
                   :state (let ((open (consult--temporary-files)) (jump (consult--jump-state)))
                            (lambda (action hit)
                              (unless hit (funcall open))
                              ;; What is chosen is jumped to by xref, which remembers where the user came from.
                              (unless (eq action 'return)
                                (funcall jump action
                                         (when-let ((buffer (and hit (funcall open (meaning-ls-hit-file hit)))))
                                           (with-current-buffer buffer (meaning-ls--marker hit))))))))))

(defun meaning-ls--jump (hit)
  "Go to HIT."
  (xref-push-marker-stack)
  (xref-pop-to-location (meaning-ls--item hit)))

(defun meaning-ls--show (hits remark)
  "Have the user choose among HITS; REMARK is about them."
  (cond ((null hits) (user-error "Nothing was found: %s" remark))
        ((meaning-ls--has-consult)
         (meaning-ls--jump (meaning-ls--consult-read (concat remark ": ") (mapcar #'meaning-ls--candidate hits))))
        (t (message "%s" remark)
           (xref-push-marker-stack)
           (funcall xref-show-xrefs-function (lambda () (mapcar #'meaning-ls--item hits))
                    `((window . ,(selected-window)) (display-action) (auto-jump)))
           ;; From its heading to the first hit, so that RET jumps.
           (with-selected-window (selected-window)
             (when (derived-mode-p 'xref--xref-buffer-mode) (forward-line))))))

;;;###autoload
(defun meaning-ls-find (&optional question)
  "Find code by what it does.
The question is read, and the hits follow it where the completion
interface is live; QUESTION, given from Lisp, is asked at once.  It may
hold filters: kind:function lang:python path:src/** changed: \"literally\"."
  (interactive)
  (let* ((server (meaning-ls--ask-whom))
         (here (meaning-ls--here))
         (folder default-directory)
         (progress (meaning-ls--progress (meaning-ls--folder server)))
         (prompt (format "Find by meaning%s: " (if progress (format " (%s)" progress) "")))
         (ask (lambda (text)
                (let ((default-directory folder)
                      (result (meaning-ls--semantic-symbol server text here)))
                  (cons (meaning-ls--hits server result) (meaning-ls--remark result)))))
         (wanted (cond (question question)
                       ((meaning-ls--has-consult)
                        (meaning-ls--consult-read
                         prompt (lambda (text)
                                  (let ((default-directory folder))
                                    (mapcar #'meaning-ls--candidate (car (funcall ask text)))))))
                       (t (meaning-ls--read prompt ask)))))
    (if (meaning-ls-hit-p wanted)
        (meaning-ls--jump wanted)
      (pcase-let ((`(,hits . ,remark) (funcall ask wanted)))
        (meaning-ls--show hits remark)))))

;;;###autoload
(defun meaning-ls-find-similar (start end)
  "Find code like that between START and END.
That is the region, or the symbol in which point is."
  (interactive (if (use-region-p) (list (region-beginning) (region-end)) (list (point) (point))))
  (unless buffer-file-name (user-error "This buffer visits no file"))
  (let* ((server (meaning-ls--ask-whom))
         (encoding (meaning-ls--encoding server))
         (range (list :start (meaning-ls--position start encoding) :end (meaning-ls--position end encoding)))
         (result (meaning-ls--request server :workspace/similarSymbol
                                      `(:range ,range :limit ,meaning-ls-limit ,@(meaning-ls--here)))))
    (meaning-ls--show (meaning-ls--hits server result)
                      (or (plist-get (plist-get result :index) :message) (meaning-ls--remark result)))))

;;;###autoload
(defalias 'find-by-meaning #'meaning-ls-find)
;;;###autoload
(defalias 'find-similar #'meaning-ls-find-similar)


;;;; Commands about the index

(defun meaning-ls--command (name &rest arguments)
  "Have the server execute the command NAME with ARGUMENTS."
  (meaning-ls--request (meaning-ls--ask-whom) :workspace/executeCommand
                       (list :command (concat "meaning-ls." name) :arguments (vconcat arguments))))

(defun meaning-ls-status ()
  "Say what is indexed."
  (interactive)
  (seq-doseq (folder (plist-get (meaning-ls--command "status") :folders))
    (message "%s: %s, %d symbols in %d files, %d left out, %.1f MB%s"
             (meaning-ls--path-of (plist-get folder :uri)) (plist-get folder :state) (plist-get folder :symbols)
             (plist-get folder :filesTotal) (plist-get folder :skippedTotal) (/ (plist-get folder :bytes) 1e6)
             (if-let ((words (plist-get folder :message))) (concat ". " words) ""))))

(defun meaning-ls-why ()
  "Say whether this file is indexed, or by which rule it is left out."
  (interactive)
  (unless buffer-file-name (user-error "This buffer visits no file"))
  (message "%s" (meaning-ls--command "why" (plist-get (plist-get (meaning-ls--here) :textDocument) :uri))))

(defun meaning-ls-cancel () "Stop the indexing that is under way." (interactive) (meaning-ls--command "cancel"))
(defun meaning-ls-pause () "Stop indexing." (interactive) (meaning-ls--command "pause"))
(defun meaning-ls-resume () "Go on indexing." (interactive) (meaning-ls--command "resume"))
(defun meaning-ls-reindex () "Look at all files again." (interactive) (meaning-ls--command "reindex"))

(provide 'meaning-ls)
;;; meaning-ls.el ends here
