"""Languages: the table of what we know, and which language a file is in.

Takes a path and the first line of its text, gives an LSP language id ("plaintext" when nothing is known).
Ids are those of the LSP specification (TextDocumentItem) and, where it has none, the ones VS Code's extensions use.
Data and look-up only: grammars are named here, not imported; what is read out of a tree stands in `queries/*.scm`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

PLAINTEXT = "plaintext"


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table. Extensions carry their dot; a row without a grammar is indexed as text blocks."""

    id: str
    extensions: tuple[str, ...]
    filenames: tuple[str, ...]  # exact names, no pattern
    interpreters: tuple[str, ...]  # of a `#!` line, without version: "python", not "python3.11"
    aliases: tuple[str, ...]  # what people and Emacs or Vim modelines call it, lower case
    grammar: str  # "module:function" of the grammar's wheel, "" for none
    query: str  # name of the query file in queries/, "" without a grammar


def _rows(*rows: Language) -> dict[str, Language]:
    return {row.id: row for row in rows}


def _code(
    id: str, extensions: str, grammar: str, *, query: str = "", names: str = "", run: str = "", aka: str = ""
) -> Language:
    """Give a row with a grammar; lists are words separated by blanks, `query` is the id unless it is shared."""
    where = f"tree_sitter_{grammar}" if ":" in grammar else f"tree_sitter_{grammar}:language"
    row = _text(id, extensions, names=names, run=run, aka=aka)
    return replace(row, grammar=where, query=query or id)


def _text(id: str, extensions: str, *, names: str = "", run: str = "", aka: str = "") -> Language:
    """Give a row without a grammar: known by name, read as blocks of lines."""
    return Language(
        id=id,
        extensions=tuple(extensions.split()),
        filenames=tuple(names.split()),
        interpreters=tuple(run.split()),
        aliases=tuple(aka.split()),
        grammar="",
        query="",
    )


# Where two rows claim one extension, the choice is made by giving it to one row only, and said here:
# .h     cpp: the C grammar breaks on C++ headers, the C++ grammar reads C headers well (VS Code decides so too).
# .m     Objective-C, not MATLAB; .pl Perl, not Prolog; .v Verilog, not Coq; .cls LaTeX, not Apex; .pp Puppet.
# .ts    TypeScript, except that a first line of XML makes it a Qt translation (see `language_of`).
# fmt: off
LANGUAGES: dict[str, Language] = _rows(
    # With a grammar.
    _code("c", ".c .i", "c"),
    _code("cpp", ".cc .cpp .cxx .c++ .C .h .hh .hpp .hxx .h++ .H .inl .ipp .ixx .cppm .tcc .tpp .txx .ino", "cpp",
          aka="c++ cplusplus arduino"),
    _code("csharp", ".cs .csx .cake", "c_sharp", aka="c# cs"),
    _code("css", ".css", "css"),
    _code("cuda-cpp", ".cu .cuh", "cpp", query="cpp", aka="cuda"),
    _code("dart", ".dart", "dart", run="dart"),
    _code("elixir", ".ex .exs", "elixir", names="mix.lock", run="elixir"),
    _code("go", ".go", "go", aka="golang"),
    _code("haskell", ".hs .hs-boot .hsc", "haskell", run="runhaskell runghc stack", aka="hs"),
    _code("html", ".html .htm .xhtml .shtml", "html"),
    _code("java", ".java .jav", "java", run="java"),
    _code("javascript", ".js .mjs .cjs .es6 .pac", "javascript", names="Jakefile",
          run="node nodejs deno bun qjs", aka="js js2 node ecmascript"),
    _code("javascriptreact", ".jsx", "javascript", query="javascript", aka="jsx"),
    _code("json", ".json .geojson .topojson .webmanifest .har .jsonld .avsc .gltf", "json",
          names=".watchmanconfig composer.lock Pipfile.lock flake.lock"),
    _code("jsonc", ".jsonc .json5 .code-workspace .code-snippets .sublime-project .hujson", "json", query="json",
          names="tsconfig.json jsconfig.json .eslintrc .eslintrc.json .babelrc .jshintrc .jscsrc .swcrc"
          " devcontainer.json .devcontainer.json api-extractor.json", aka="json5"),
    _code("julia", ".jl", "julia", run="julia"),
    _code("kotlin", ".kt .kts .ktm", "kotlin", run="kotlin", aka="kt"),
    _code("lua", ".lua .luau .rockspec .wlua", "lua", names=".luacheckrc", run="lua luajit texlua"),
    _code("markdown", ".md .markdown .mdown .mkd .mkdn .mdwn .mdtext .livemd .qmd .rmd", "markdown", aka="md gfm"),
    _code("mdx", ".mdx", "markdown", query="markdown"),
    _code("ocaml", ".ml .eliom", "ocaml:language_ocaml", run="ocaml ocamlrun", names=".ocamlinit", aka="caml tuareg"),
    _code("ocaml.interface", ".mli .eliomi", "ocaml:language_ocaml_interface", query="ocaml", aka="mli"),
    _code("php", ".php .php3 .php4 .php5 .php7 .phtml .ctp", "php:language_php", names=".php_cs .php_cs.dist",
          run="php"),
    _code("powershell", ".ps1 .psm1 .psd1", "powershell", run="pwsh powershell", aka="pwsh ps1"),
    _code("python", ".py .pyi .pyw .py3 .wsgi .gyp .gypi .cpy .ipy", "python", names="SConstruct SConscript wscript",
          run="python pypy micropython ipython sage uv", aka="py py3 cpython"),
    _code("ruby", ".rb .rbw .rake .gemspec .podspec .ru .rbi .rabl .jbuilder .thor", "ruby",
          names="Rakefile Gemfile Guardfile Podfile Capfile Vagrantfile Fastfile Appfile Brewfile Berksfile Dangerfile"
          " Appraisals Thorfile .irbrc .pryrc .simplecov", run="ruby jruby rake", aka="rb"),
    _code("rust", ".rs", "rust", run="rust-script", aka="rs"),
    _code("scala", ".scala .sc .sbt", "scala", run="scala amm"),
    _code("shellscript", ".sh .bash .zsh .ksh .bats .ebuild .eclass .command", "bash", query="shellscript",
          names=".bashrc .bash_profile .bash_aliases .bash_login .bash_logout .profile .zshrc .zshenv .zprofile"
          " .zlogin .zlogout .kshrc .xinitrc .xprofile .envrc PKGBUILD APKBUILD gradlew mvnw",
          run="sh bash zsh dash ksh ash mksh bats rc", aka="shell shell-script"),
    # Starlark is a subset of Python's syntax (bazel.build/rules/language), so the Python grammar reads it.
    _code("starlark", ".bzl .star .bazel", "python", query="python", aka="bazel",
          names="BUILD WORKSPACE BUILD.bazel WORKSPACE.bazel MODULE.bazel BUCK Tiltfile"),
    _code("sql", ".sql .ddl .dml .psql .pgsql .plsql .mysql", "sql", aka="mysql postgresql plsql"),
    _code("swift", ".swift .swiftinterface", "swift", run="swift"),
    _code("toml", ".toml", "toml", names="Cargo.lock poetry.lock uv.lock pdm.lock Pipfile Gopkg.lock"),
    _code("typescript", ".ts .mts .cts", "typescript:language_typescript", run="ts-node tsx", aka="ts"),
    _code("typescriptreact", ".tsx", "typescript:language_tsx", query="typescript", aka="tsx"),
    _code("yaml", ".yaml .yml .eyaml .cff", "yaml", aka="yml",
          names=".clang-format .clang-tidy .clangd CITATION.cff pubspec.lock Podfile.lock"),
    _code("zig", ".zig .zon", "zig"),
    # Without a grammar. A notebook is JSON around cells: its reader takes the cells apart itself. R and Vue have
    # no wheel; Svelte's 1.0.2 and Perl's 2.0.3 hand out the grammar as a number, which tree-sitter is about to refuse.
    _text("jupyter", ".ipynb", aka="notebook ipynb"),
    _text("ada", ".adb .ads .ada"),
    _text("agda", ".agda .lagda"),
    _text("apacheconf", "", names=".htaccess httpd.conf apache2.conf"),
    _text("apex", ".trigger .apex"),
    _text("asciidoc", ".adoc .asciidoc .asc", aka="adoc"),
    _text("asm", ".s .S .asm .nasm .masm", aka="assembly nasm masm gas"),
    _text("astro", ".astro"),
    _text("awk", ".awk", run="awk gawk mawk nawk"),
    _text("bat", ".bat .cmd", aka="batch dosbatch"),
    _text("bibtex", ".bib"),
    _text("clojure", ".clj .cljs .cljc .cljd .edn .bb", run="bb clojure", aka="clj clojurescript"),
    _text("cmake", ".cmake", names="CMakeLists.txt"),
    _text("cobol", ".cob .cbl"),
    _text("coffeescript", ".coffee .cson .litcoffee", names="Cakefile", run="coffee", aka="coffee"),
    _text("crystal", ".cr", run="crystal"),
    _text("cython", ".pyx .pxd .pxi"),
    _text("d", ".d .di", run="rdmd dmd"),
    _text("diff", ".diff .patch .rej", aka="patch"),
    _text("dockerfile", ".dockerfile .containerfile", names="Dockerfile Containerfile", aka="docker"),
    _text("dotenv", ".env", names=".env.example .env.sample .env.template .env.dist .env.defaults"),
    _text("elm", ".elm"),
    _text("emacs-lisp", ".el", names=".emacs", run="emacs", aka="elisp emacs-lisp"),
    _text("erb", ".erb .rhtml", aka="eruby"),
    _text("erlang", ".erl .hrl .escript .yrl .xrl", names="rebar.config", run="escript"),
    _text("fish", ".fish", run="fish"),
    _text("fortran", ".f .for .f77 .f90 .f95 .f03 .f08 .F .F90 .F95 .fpp", aka="fortran-modern f90"),
    _text("fsharp", ".fs .fsi .fsx .fsscript", aka="f#"),
    _text("gdscript", ".gd", aka="godot"),
    _text("git-commit", "", names="COMMIT_EDITMSG MERGE_MSG", aka="gitcommit"),
    _text("git-rebase", "", names="git-rebase-todo", aka="gitrebase"),
    _text("gleam", ".gleam"),
    _text("glsl", ".glsl .vert .frag .geom .tesc .tese .comp .vsh .fsh"),
    _text("go.mod", "", names="go.mod", aka="gomod"),
    _text("go.sum", "", names="go.sum", aka="gosum"),
    _text("go.work", "", names="go.work", aka="gowork"),
    _text("graphql", ".graphql .gql .graphqls"),
    _text("groovy", ".groovy .gvy .gradle .gy .nf", names="Jenkinsfile", run="groovy nextflow", aka="gradle"),
    _text("handlebars", ".hbs .handlebars .mustache"),
    _text("haxe", ".hx"),
    _text("hcl", ".hcl .nomad .pkr.hcl"),
    _text("hlsl", ".hlsl .hlsli .fx .fxh"),
    _text("ignore", "", names=".gitignore .ignore .dockerignore .npmignore .eslintignore .prettierignore"
          " .meaningignore .gitattributes", aka="gitignore"),
    _text("idris", ".idr"),
    _text("ini", ".ini .cfg .conf .desktop .service .socket .timer .mount .repo .inf", aka="conf dosini cfg",
          names=".gitconfig .gitmodules .editorconfig .npmrc .pylintrc .flake8 .coveragerc pip.conf"),
    _text("jade", ".pug .jade", aka="pug"),
    _text("jinja", ".jinja .jinja2 .j2", aka="jinja2"),
    _text("jsonl", ".jsonl .ndjson"),
    _text("just", ".just", names="justfile Justfile .justfile", run="just"),
    _text("latex", ".tex .sty .cls .ltx .dtx", aka="tex"),
    _text("lean4", ".lean", aka="lean"),
    _text("less", ".less"),
    _text("liquid", ".liquid"),
    _text("lisp", ".lisp .lsp .cl .asd", run="sbcl clisp ecl", aka="common-lisp commonlisp"),
    _text("makefile", ".mk .mak .make", names="Makefile makefile GNUmakefile Kbuild BSDmakefile", run="make",
          aka="make gnumake"),
    _text("meson", "", names="meson.build meson.options meson_options.txt"),
    _text("mojo", ".mojo", run="mojo"),
    _text("nim", ".nim .nims .nimble"),
    _text("ninja", ".ninja"),
    _text("nix", ".nix", run="nix-shell"),
    _text("objective-c", ".m", aka="objc"),
    _text("objective-cpp", ".mm", aka="objc++ objcpp"),
    _text("org", ".org"),
    _text("pascal", ".pas .dpr .lpr .dpk", run="instantfpc", aka="delphi"),
    _text("perl", ".pl .pm .t .pod .psgi", names="cpanfile Makefile.PL", run="perl", aka="cperl"),
    _text("perl6", ".raku .rakumod .rakutest .p6 .pm6 .pl6", run="raku perl6", aka="raku"),
    _text(PLAINTEXT, ".txt .text .log", aka="text plain txt",
          names="README LICENSE COPYING NOTICE AUTHORS CHANGELOG NEWS TODO INSTALL CONTRIBUTING CODEOWNERS"),
    _text("prisma", ".prisma"),
    _text("prolog", ".prolog", run="swipl"),
    _text("properties", ".properties", aka="java-properties jproperties"),
    _text("proto", ".proto", aka="proto3 protobuf"),
    _text("puppet", ".pp"),
    _text("purescript", ".purs"),
    _text("qml", ".qml .qbs"),
    _text("r", ".r .R .Rprofile", names=".Rprofile", run="Rscript"),
    _text("racket", ".rkt .rktl .scrbl", run="racket"),
    _text("razor", ".cshtml .razor", aka="aspnetcorerazor"),
    _text("restructuredtext", ".rst .rest", aka="rst"),
    _text("sass", ".sass"),
    _text("scheme", ".scm .ss .sld .sls", run="guile chicken csi gosh", aka="guile"),
    _text("scss", ".scss"),
    _text("shaderlab", ".shader .cginc"),
    _text("smithy", ".smithy"),
    _text("solidity", ".sol"),
    _text("stylus", ".styl"),
    _text("svelte", ".svelte"),
    _text("systemverilog", ".sv .svh"),
    _text("tcl", ".tcl .tk .itcl .exp", run="tclsh wish expect"),
    _text("terraform", ".tf .tfvars .tofu", aka="tf hcl-terraform opentofu"),
    _text("thrift", ".thrift"),
    _text("twig", ".twig"),
    _text("typst", ".typ"),
    _text("vala", ".vala .vapi"),
    _text("vb", ".vb .vbs .bas .frm", aka="vbnet visualbasic"),
    _text("verilog", ".v .vh"),
    _text("vhdl", ".vhd .vhdl"),
    _text("vim", ".vim .vimrc", names=".vimrc _vimrc .gvimrc .exrc vimrc", aka="viml"),
    _text("vue", ".vue"),
    _text("wgsl", ".wgsl"),
    _text("xml", ".xml .xsd .xaml .rng .wsdl .csproj .fsproj .vbproj .vcxproj .props .targets .nuspec .resx .plist"
          " .storyboard .xib .svg .rss .atom .iml .pom .qrc .ui .xlf .xliff .dtd", names=".classpath .project",
          aka="nxml"),
    _text("xsl", ".xsl .xslt"),
)
# fmt: on

# Endings that say "a template or a copy of": what stands before them tells the language (`config.h.in`).
_WRAPPERS = (".in", ".example", ".sample", ".template", ".tmpl", ".tpl", ".dist", ".default", ".orig", ".bak")

_NAMES_BY_PREFIX = (("Dockerfile.", "dockerfile"), ("Containerfile.", "dockerfile"), ("Makefile.", "makefile"))


def _index(pick: Callable[[Language], tuple[str, ...]]) -> dict[str, str]:
    """Map each word that `pick` names to its id; the first row wins (a test says that there is only one)."""
    found: dict[str, str] = {}
    for row in LANGUAGES.values():
        for word in pick(row):
            found.setdefault(word, row.id)
    return found


_BY_EXTENSION = _index(lambda row: row.extensions)
_BY_FILENAME = _index(lambda row: row.filenames)
_BY_INTERPRETER = _index(lambda row: row.interpreters)
_BY_NAME = _index(lambda row: (row.id, *row.aliases))

_SHEBANG = re.compile(r"#!\s*(\S+)(.*)")
_EMACS = re.compile(r"-\*-\s*(?:.*?\bmode:\s*([\w+#.-]+)|([\w+#.-]+)\s*-\*-)", re.IGNORECASE)
_VIM = re.compile(r"\b(?:vim?|ex):.*?\b(?:ft|filetype|syntax)=([\w+#.-]+)")
_VERSION = re.compile(r"[-.\d]+$")


def language_of(path: str, first_line: str) -> str:
    """Give the LSP language id of a file: by name, by extension, then by a `#!` line or a modeline.

    `path` uses '/'; `first_line` is the first line of the text ("" if unknown). "plaintext" when nothing tells.
    """
    name = path.rpartition("/")[2]
    known = _by_filename(name)
    if known == "typescript" and first_line.startswith(("<?xml", "<!DOCTYPE TS")):
        return "xml"
    if known:
        return known
    return _by_first_line(first_line) or PLAINTEXT


def language_named(word: str) -> str:
    """Give the id that a person means by `word` ("js", "C++", "tsx", "bash"), or "" if none is known."""
    lower = word.lower()
    return _BY_NAME.get(lower) or _BY_EXTENSION.get("." + lower) or _BY_INTERPRETER.get(lower, "")


def _by_filename(name: str) -> str:
    if name in _BY_FILENAME:
        return _BY_FILENAME[name]
    for prefix, known in _NAMES_BY_PREFIX:
        if name.startswith(prefix):
            return known
    stem, dot, ending = name.rpartition(".")
    extension = dot + ending
    if stem and extension in _WRAPPERS:
        return _by_filename(stem)
    # Exact first: `.C` is C++, `.c` is C. Then as on the systems that do not tell cases apart.
    return _BY_EXTENSION.get(extension) or _BY_EXTENSION.get(extension.lower(), "") if dot else ""


def _by_first_line(line: str) -> str:
    line = line.removeprefix("\ufeff")[:500]  # a mark stands at the front; a minified line may be a megabyte
    shebang = _SHEBANG.match(line)
    if shebang:
        known = _BY_INTERPRETER.get(_interpreter(*shebang.groups()))
        if known:
            return known
    modeline = _EMACS.search(line) or _VIM.search(line)
    if modeline:
        return language_named(modeline[modeline.lastindex or 0])
    if line.startswith("<?xml"):
        return "xml"
    return "php" if line.startswith("<?php") else ""


def _interpreter(program: str, rest: str) -> str:
    """Give "python" for "/usr/bin/env -S FOO=1 python3.11 -u"."""
    name = program.rpartition("/")[2]
    if name == "env":
        words = (word for word in rest.split() if not word.startswith("-") and "=" not in word)
        name = next(words, "").rpartition("/")[2]
    return name if name in _BY_INTERPRETER else _VERSION.sub("", name)
