"""Skips: what is left out of every project without being asked, and the reasons given.

Tables and look-ups by name, by neighbours and by content. Names that often hold somebody's own source (`build`,
`vendor`, `out`) count only with evidence. Git's own folders and secrets stay out whatever anybody says; the rest can be
brought back by a `!` line (see ignore.py). Nothing here opens a file; existence is the only thing asked of the disk.
"""

import os
import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

_DEPENDENCIES = "dependency folder"
_BUILD = "build folder"
_CACHE = "cache folder"
_TOOL = "folder of a tool"

# Names that nobody gives to a folder of their own source.
_FOLDERS = {
    name: f"{what} ({name})"
    for what, names in {
        _DEPENDENCIES: "node_modules bower_components jspm_packages .pnpm-store .yarn web_modules elm-stuff .eggs"
        " site-packages .bundle .pub-cache .cargo-vendor",
        _BUILD: ".next .nuxt .output .svelte-kit .angular .docusaurus .dart_tool .stack-work dist-newstyle zig-out"
        " .gradle .build-cache .serverless .aws-sam",
        _CACHE: "__pycache__ .mypy_cache .ruff_cache .pytest_cache .hypothesis .pytype .tox .nox .cache .parcel-cache"
        " .turbo .sass-cache .zig-cache zig-cache .ccls-cache .clangd .terraform .terragrunt-cache .nyc_output htmlcov"
        " .ipynb_checkpoints .direnv .devenv .vagrant .metals .bloop .cpcache .clj-kondo .eslintcache",
        _TOOL: ".idea .vs .svn .hg .bzr .jj .pijul CVS .fleet .history",
    }.items()
    for name in names.split()
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What makes a folder with an ordinary name a folder of somebody else's or of a tool's output."""

    what: str
    beside: tuple[str, ...]  # one of these stands next to the folder
    inside: tuple[str, ...]  # or one of these stands in it


_PYTHON_ENVIRONMENT = Evidence("Python environment", (), ("pyvenv.cfg", "bin/activate", "Scripts/activate"))
_AMBIGUOUS = {
    "target": Evidence(_BUILD, ("Cargo.toml", "pom.xml", "build.sbt", "project.clj"), (".rustc_info.json",)),
    # Beside package.json `build` often holds the scripts that build, so there it needs a file of the output.
    "build": Evidence(
        _BUILD,
        ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts", "pubspec.yaml"),
        ("CMakeCache.txt", "build.ninja", "asset-manifest.json"),
    ),
    "dist": Evidence(_BUILD, ("package.json",), ()),
    "out": Evidence(_BUILD, ("package.json", "foundry.toml"), ("CMakeCache.txt", "build.ninja")),
    "obj": Evidence(_BUILD, (), ("project.assets.json",)),
    "_build": Evidence(_BUILD, ("mix.exs", "dune-project", "rebar.config", "conf.py"), ("doctrees",)),
    "_site": Evidence(_BUILD, ("_config.yml",), ()),
    "site": Evidence(_BUILD, ("mkdocs.yml",), ()),
    "public": Evidence(_BUILD, ("hugo.toml", "hugo.yaml", "gatsby-config.js", "gatsby-config.ts"), ()),
    ".build": Evidence(_BUILD, ("Package.swift",), ()),
    "DerivedData": Evidence(_BUILD, (), ("ModuleCache.noindex", "Build")),
    "Library": Evidence(_CACHE, ("ProjectSettings",), ()),  # Unity
    "coverage": Evidence("coverage report", ("package.json",), ("lcov.info", "lcov-report")),
    # Vendored source that was copied in by hand is part of the project; what a package manager puts there is not.
    "vendor": Evidence(_DEPENDENCIES, (), ("modules.txt", "autoload.php", "bundle/ruby")),
    "bundle": Evidence(_DEPENDENCIES, (), ("ruby",)),
    "deps": Evidence(_DEPENDENCIES, ("mix.exs", "rebar.config"), ()),
    "Pods": Evidence(_DEPENDENCIES, ("Podfile",), ("Manifest.lock",)),
    "Carthage": Evidence(_DEPENDENCIES, ("Cartfile",), ()),
    "env": _PYTHON_ENVIRONMENT,
    "venv": _PYTHON_ENVIRONMENT,
    ".env": _PYTHON_ENVIRONMENT,
    ".venv": Evidence("Python environment", (), ("",)),  # the name is enough
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Entries that tell of a folder with any name what it is."""

    what: str
    has: frozenset[str]  # all of these
    lacks: str  # but not this; "" for nothing


_MARKS = (
    Mark("Python environment (pyvenv.cfg)", frozenset({"pyvenv.cfg"}), ""),
    Mark("Conda environment (conda-meta)", frozenset({"conda-meta"}), ""),
    Mark("cache folder (CACHEDIR.TAG)", frozenset({"CACHEDIR.TAG"}), ""),  # bford.info/cachedir
    # Built in place, the source itself holds the cache.
    Mark("build folder (CMakeCache.txt)", frozenset({"CMakeCache.txt"}), "CMakeLists.txt"),
    Mark("bare git repository", frozenset({"HEAD", "objects", "refs"}), ""),
)
MARK_NAMES = frozenset().union(*(mark.has for mark in _MARKS), {mark.lacks for mark in _MARKS if mark.lacks})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOCK_FILES = _words(
    "package-lock.json npm-shrinkwrap.json .package-lock.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb deno.lock"
    " composer.lock Gemfile.lock gems.locked Pipfile.lock poetry.lock uv.lock pdm.lock pixi.lock conda-lock.yml"
    " Cargo.lock go.sum go.work.sum mix.lock rebar.lock pubspec.lock Podfile.lock Package.resolved Cartfile.resolved"
    " packages.lock.json project.assets.json paket.lock flake.lock gradle.lockfile stack.yaml.lock"
    " cabal.project.freeze shard.lock conan.lock MODULE.bazel.lock .terraform.lock.hcl Brewfile.lock.json"
)

_ENDINGS = {
    ".min.js": "minified", ".min.mjs": "minified", ".min.cjs": "minified", ".min.css": "minified",
    "-min.js": "minified", ".js.map": "source map", ".mjs.map": "source map", ".cjs.map": "source map",
    ".css.map": "source map", ".ts.map": "source map",
}  # fmt: skip
_ANY_ENDING = tuple(_ENDINGS)

_EXTENSIONS = {
    extension: what
    for what, extensions in {
        "image": "png jpg jpeg jpe gif bmp ico icns cur webp avif heic heif tif tiff psd psb ai eps xcf svg svgz raw"
        " cr2 nef dds tga exr hdr ktx sketch fig",
        "sound or video": "mp3 mp4 m4a m4v wav flac ogg oga ogv opus aac aif aiff mid midi avi mov mkv webm wmv mpg"
        " mpeg 3gp flv swf",
        "font": "ttf otf woff woff2 eot ttc pfb",
        "archive": "zip gz tgz bz2 tbz xz txz zst lz lz4 lzma 7z rar tar jar war ear aar apk aab ipa whl egg gem crate"
        " nupkg vsix deb rpm dmg iso img msi cab xpi crx pkg asar z br",
        "document without plain text": "pdf doc docx xls xlsx xlsm ppt pptx odt ods odp rtf epub mobi djvu pages"
        " numbers keynote",
        "compiled": "pyc pyo pyd class o obj a lib so dll dylib exe com bin elf ko wasm pdb ilk dsym node beam hi"
        " dex odex rlib rmeta swiftmodule swiftdoc gch pch nib winmd cmi cmo cmx cma cmxa cmt cmti elc",
        # Not `mo`, `pb`, `res`, `sig`: sources of Modelica, ReScript and ML have them too; binary ones show when read.
        "data": "db sqlite sqlite3 db3 mdb accdb dbf parquet arrow feather orc avro h5 hdf5 npy npz mat rds rda rdata"
        " pkl pickle joblib onnx pt pth ckpt safetensors gguf ggml tflite tfrecord msgpack mmdb lmdb dat idx pack"
        " sav blend fbx glb stl 3ds dwg uasset umap unitypackage qm resources cache swp swo",
        "certificate or encrypted": "crt cer der csr gpg age enc p7s",
        "snapshot of a test": "snap",
    }.items()
    for extension in extensions.split()
}

_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".kube"})
_SECRET_NAMES = _words(
    "id_rsa id_dsa id_ecdsa id_ed25519 id_ecdsa_sk id_ed25519_sk .netrc _netrc .pgpass .my.cnf .htpasswd .pypirc .npmrc"
    " .envrc"
    " .git-credentials .dockercfg .vault-token .s3cfg .boto credentials credentials.json secrets.json secrets.toml"
    " secrets.yaml secrets.yml secrets.ini terraform.tfstate terraform.tfstate.backup"
)
_SECRET_ENDINGS = (
    ".pem",
    ".key",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".kdbx",
    ".kdb",
    ".ppk",
    ".p8",
    ".tfstate",
    ".env",
)
_SECRET_SHAPES = re.compile(r"\.env\.|(?:client_secret|service[-_]account).*\.json\Z", re.DOTALL)
_NO_SECRET = _words("example examples sample template tmpl tpl dist default defaults")

# A marker counts in the comments that a file begins with, where it says so of the file itself: not in strings, not in
# code and not where a script tells what it generates.
_HEADER_CHARACTERS = 3000
_HEADER = re.compile(
    r"(?:[\s\ufeff]|(?:#|//|--|;|%|(?:rem|dnl)\b|@charset\b|@echo off)[^\n]*|/\*.*?(?:\*/|\Z)|<!--.*?(?:-->|\Z)"
    r"|\(\*.*?(?:\*\)|\Z)|\{-.*?(?:-\}|\Z)|<\?xml[^\n]*?\?>|<\?(?:php|hh)?|[\"']use strict[\"'])*+",
    re.DOTALL | re.IGNORECASE,
)
_MADE = (
    r"(?:(?:this|it|the)\s+)?(?:(?:file|code|source|content|class|module|header)\s+)?(?:(?:is|was|has\s+been)\s+)?(?:an?\s+)?"
    r"(?:auto(?:matically)?[-\s]*|(?:machine|program)[-\s]+)?generated\b"
    r"(?=\s+(?:by|from|for|with|using|via|on|at|in|automatically|file|code|content|source|do)\b|\s*(?:[^\w\s]|$))"
)
_NO_EDIT = r"\b(?:do not|don't|never)\s+(?:edit|modify|change|touch)\b"
_GENERATED = re.compile(
    r"^[^\w\n@<]*+(?:(?:rem|dnl)\b[^\w\n@<]*+)?"
    r"(?:(?:this file (?:is|was) (?:automatically )?)?@generated\b|<auto-?generated\b"
    r"|this file (?:is|was|has been) (?:automatically |auto[- ]?)generated\b"
    rf"|{_MADE}.{{0,200}}?{_NO_EDIT}"
    rf"|(?:please\s+)?{_NO_EDIT}(?:\s+(?:this|the)\s+(?:file|code))?(?:\s+(?:by hand|directly|manually))?"
    rf"\W{{1,12}}{_MADE})",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_PROSE = frozenset({"markdown", "mdx", "plaintext", "restructuredtext", "asciidoc", "org", "latex", "jupyter"})

# Written code has 30 to 40 characters a line; what a tool squeezed has thousands. Below the size it does no harm.
_MINIFIED_LINE = 300
_MINIFIED_SIZE = 4000
_SQUEEZED = frozenset({"javascript", "javascriptreact", "typescript", "typescriptreact", "css", "json", "html"})

_PRIVATE_KEY = re.compile(r"\s*-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")


def forbidden_folder(name: str) -> str:
    """Give the reason why a folder of this name is never entered, or ""."""
    if name == ".git":
        return "git's own folder"
    return f"may hold secrets ({name})" if name in _SECRET_FOLDERS else ""


def forbidden_file(name: str) -> str:
    """Give the reason why a file of this name is never read, or ""."""
    if name == ".git":
        return "git's own file"
    lower = name.lower()
    if not (lower.endswith(_SECRET_ENDINGS) or lower in _SECRET_NAMES or _SECRET_SHAPES.match(lower)):
        return ""
    return "" if ".env" in lower and not _NO_SECRET.isdisjoint(lower.split(".")) else "may hold secrets"


def folder(name: str, absolute: str) -> str:
    """Give the reason why a folder is left out by its name, with evidence where the name alone says little, or ""."""
    known = _FOLDERS.get(name)
    if known:
        return known
    evidence = _AMBIGUOUS.get(name)
    if evidence is None:
        return f"{_DEPENDENCIES} ({name})" if name.endswith(".egg-info") else ""
    here = Path(absolute)
    places = [here.parent / each for each in evidence.beside] + [here / each for each in evidence.inside]
    return f"{evidence.what} ({name})" if any(os.path.lexists(place) for place in places) else ""


def marked(names: Set[str]) -> str:
    """Give the reason why a folder with these entries is left out, or ""."""
    for mark in _MARKS:
        if mark.has <= names and mark.lacks not in names:
            return mark.what
    return ""


def file(name: str) -> str:
    """Give the reason why a file is left out by its name, or ""."""
    extension = name.rpartition(".")[2]
    what = _EXTENSIONS.get(extension) or _EXTENSIONS.get(extension.lower())
    if what and len(extension) < len(name):
        return f"{what} (.{extension})"
    if name in _LOCK_FILES:
        return f"lock file ({name})"
    if name.endswith(_ANY_ENDING):
        return next(what for ending, what in _ENDINGS.items() if name.endswith(ending))
    return ""


def content(language: str, text: str) -> str:
    """Give the reason why a text that no person wrote is left out, or ""."""
    lines = max(text.count("\n"), text.count("\r")) + 1
    if language in _SQUEEZED and len(text) > _MINIFIED_SIZE and len(text) > _MINIFIED_LINE * lines:
        return "minified (very long lines)"
    if language in _PROSE:
        return ""
    header = text[:_HEADER_CHARACTERS].replace("\r", "\n")
    if "generated" not in header.lower():
        return ""
    opening = _HEADER.match(header)
    marker = _GENERATED.search(opening[0]) if opening else None
    return f"generated ({' '.join(marker[0].split())[:80]})" if marker else ""


def secret_content(text: str) -> str:
    """Give the reason why a text is kept out of every index, or ""."""
    return "may hold secrets (a private key)" if _PRIVATE_KEY.match(text) else ""
