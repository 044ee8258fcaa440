"""Places: what a path says about a file: code, a test of it, or something that stands aside of it.

Takes paths relative to the root. The words are those that ranking was measured with; they lower a score, never hide.
"""

import re

_TEST_FOLDERS = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|specs?|e2e|testdata|fixtures|mocks?|__mocks__)(?:/|$)", re.I
)
_TEST_FILES = re.compile(
    r"(?:^|/)(?:test_[^/]*|conftest\.py|[^/]*(?:_test|_spec|[.-]test|[.-]spec|[a-z0-9]Tests?|[a-z0-9]Spec)\.\w+)$"
)
_ASIDE_FOLDERS = re.compile(
    r"(?:^|/)(?:examples?|samples?|demos?|docs?|docs_src|documentation|tutorials?|benchmarks?|bench|website)(?:/|$)",
    re.I,
)
# Copies of code that lives elsewhere, and declarations without it.
_COPIES = re.compile(
    r"(?:^|/)(?:vendor(?:ed)?|third[_-]?party|single_include|amalgamat\w*|generated|dist)/|\.d\.[cm]?ts$", re.I
)
_PROSE_AND_DATA = frozenset(
    (
        "markdown",
        "restructuredtext",
        "plaintext",
        "latex",
        "json",
        "jsonc",
        "yaml",
        "toml",
        "ini",
        "xml",
        "html",
        "css",
        "csv",
    )
)


def is_test(path: str) -> bool:
    """Return whether `path` is that of a test."""
    return bool(_TEST_FOLDERS.search(path.rpartition("/")[0]) or _TEST_FILES.search(path))


def is_aside(path: str, language: str) -> bool:
    """Return whether a file is an example, documentation, data or a copy rather than the code itself."""
    folder = path.rpartition("/")[0]
    return language in _PROSE_AND_DATA or bool(_ASIDE_FOLDERS.search(folder) or _COPIES.search(path))
