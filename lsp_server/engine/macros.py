"""Macros: takes C and C++ macros that stand before a name out of the way of the parser.

A grammar does not preprocess: `EXPORT_API class X`, `UV_EXTERN int uv_run(...)` or a line `NAMESPACE_BEGIN` are errors
to it, and the definition behind them is lost. Such macros are overwritten with blanks of the same length, so that all
positions stay; one that holds the type, `GLOBAL(void)`, with `int` and blanks. Only what stands where a declaration may
begin is touched, never a constant in an enum or an expression; in doubt it stays. Text shown to people is cut from the
original.
"""

import re
from dataclasses import dataclass

Range = tuple[int, int]

# Annotations of kernels and system headers (__init, __user); those that the grammars know are left to them.
_KNOWN = (
    rb"attribute|declspec|asm|extension|restrict|inline|forceinline|thread|volatile|signed|const|typeof|int|unaligned"
    rb"|based|cdecl|stdcall|fastcall|thiscall|vectorcall|clrcall|try|except|finally|leave"
)
# What looks like a macro and is not followed by what follows a constant. Three letters: T and TT are type parameters.
_CANDIDATE = re.compile(
    rb"(?<![\w#\"'.>])(?:[A-Z][A-Z0-9_]{2,}+|[A-Z]\w{1,40}_(?:FUNC|API|EXPORT)(?=\()|__(?!"
    + _KNOWN
    + rb")[a-z_]++)(?=\(|[ \t]+[A-Za-z_({~:\[]|[ \t]*\r?\n|:[ \t]*\r?\n)"
)
_IN_BRACKETS = rb"\((?:[^()\\;{}]|\([^()\\;{}]*+\))*+\)"
_ARGUMENTS = re.compile(_IN_BRACKETS)

_TEMPLATE = rb"template\s*<[^;{}()]*+>"
_SPECIFIER = rb"(?:static|inline|extern|virtual|constexpr|friend|explicit|typedef|const|volatile|unsigned|signed)\b"
_WORDS = re.compile(rb"(?:\s|" + _SPECIFIER + rb"|\"C\"|" + _TEMPLATE + rb"|[\]}>;{](?=\s))*+\Z")
_TAG = re.compile(rb"\b(?:class|struct|union|enum)\s+\Z")
_TYPE = re.compile(
    rb"(?:\s|" + _SPECIFIER + rb")*+(?!return\b|else\b|new\b|case\b|goto\b)[A-Za-z_][\w:]*+(?:<.*>)?[\s*&]+\Z"
)
_PARAMETERS = re.compile(rb"\)\s*(?:const\s*)?\Z")

# One name behind a macro is not enough: in `BOOL found(` the macro is the type.
_DECLARATION = re.compile(
    rb"\s+(?:(?:" + _SPECIFIER + rb")\s+)*+(?:(?:class|struct|union|enum|namespace|template|using|typedef)\b"
    rb"|(?!operator\b|return\b|else\b|case\b)[A-Za-z_][\w:]*+(?:<[^;{}()]{0,300}>)?(?:::\w+)?[\s*&]+[A-Za-z_~])"
)
# A definition must follow: `struct TAG name;` is a variable.
_DEFINED = re.compile(rb"\s+[A-Za-z_][\w:]*+(?:<[^;{}]{0,300}>)?\s*(?:final\s*)?(?:\{|:[^:]|[A-Z][A-Z0-9_]{2,})")
_DECLARED = re.compile(rb"\s+\w+\s*;")
_CALLED = re.compile(rb"\s+[A-Za-z_][\w:~]*+\s*\(")
# Nor is `MACRO name(...)` enough, but where the macro says what it is, or a member is initialised, it is a constructor.
_NO_TYPE = re.compile(rb"INLINE|CONSTEXPR|CONSTEVAL|NODISCARD|DEPRECATED|NOEXCEPT|EXPORT|_API\b|_DECL\b")
_CONSTRUCTOR = re.compile(rb"\s+(?:explicit\s+)?[A-Za-z_]\w*\s*\([^;{}]{0,300}?\)\s*:\s*\w+\s*[({]")
# template <typename T, ENABLE_IF(...)>
_PARAMETER = re.compile(rb"\btemplate\s*<[^;{}]*?(?P<comma>,\s*)\Z")
_MORE = re.compile(rb"\s*[,>]")
_BRACE = re.compile(rb"\s*\{")
_LINE_END = re.compile(rb"[ \t]*\r?\n\s*")
_HEAD = re.compile(rb"\b(?:struct|union|class|namespace)\b[^;{}]*\{\Z")
_COMMENT = re.compile(rb"//[^\n]*|/\*.*?\*/|\A[^\n]*?\*/", re.DOTALL)
# How far back is looked for what stands before a macro, in bytes: past a comment, but not through a long line.
_NEAR = 800
_LONG_COMMENT = 20_000
# PRIVATE_UNLESS_TESTED: and public Q_SLOTS: in a class.
_LABEL = re.compile(rb":[ \t]*\r?\n")
_ACCESS = re.compile(rb"\s*(?:public|private|protected)\s+\Z")
# EXTERN(struct error *) make_error(int code): a type in brackets, and behind them what is called with parameters.
_TYPE_INSIDE = re.compile(
    rb"\(\s*(?:(?:const|volatile|struct|union|enum|class|unsigned|signed|long|short)\s+)*+"
    rb"(?P<type>[A-Za-z_][\w:]*+)(?:\s*<[^<>;{}()]{0,100}>)?(?:[\s*&]|const\b)*+\)\Z"
)
_FUNCTION = re.compile(
    rb"\s+(?:[A-Z][A-Z0-9_]{2,}\s+)?(?!(?:if|for|while|switch|return|sizeof|catch|operator|else|do|case)\b)"
    rb"(?P<name>[A-Za-z_][\w:]*+)\s*"
    # Parameters, where arguments of a call could stand too; or anything, if a body follows.
    rb"(?:\(\s*(?:\)|(?:void|bool|char|short|int|long|float|double|unsigned|signed|const|struct|union|enum)\b"
    rb"|[A-Za-z_][\w:]*+(?:\s*<[^<>;{}()]{0,100}>)?(?:\s*[*&]|\s+[A-Za-z_]))|" + _IN_BRACKETS + rb"\s*\{)"
)
# int inflate OF((stream *s, int flush)); of headers that compilers without parameters could read: the outer brackets.
_WORDS_BEFORE = rb"^[ \t]*+(?!(?:return|else|case|goto|throw|new|delete)\b)(?:[A-Za-z_]\w*+[ \t*]++)"
_OLD_PARAMETERS = re.compile(
    _WORDS_BEFORE
    + rb"{1,6}[A-Za-z_]\w*+[ \t]*(?P<open>\b[A-Z_][A-Z0-9_]*+[ \t]*\()"
    + _IN_BRACKETS
    + rb"\s*(?P<close>\))\s*;",
    re.MULTILINE,
)
# LUA_API void (lua_close) (lua_State *L): brackets that keep a macro of that name from being expanded.
_NAME_INSIDE = re.compile(
    _WORDS_BEFORE + rb"{1,6}(?P<open>\()[ \t]*[A-Za-z_]\w*+[ \t]*(?P<close>\))[ \t]*\((?!\s*\*)", re.MULTILINE
)
# The usual pair around a C header that C++ may include: half a block in each #if, which no grammar can balance.
_LINKAGE = re.compile(
    rb"^[ \t]*#[ \t]*if(?:def[ \t]+|[ \t]+defined[ \t(]+)__cplusplus[ \t)]*\r?\n"
    rb"\s*(?:extern[ \t]+\"C\"\s*\{|\}[ \t;]*(?://[^\n]*|/\*[^\n]*?\*/)?)\s*#[ \t]*endif\b",
    re.MULTILINE,
)
_VISIBLE = re.compile(rb"[^\r\n]")


@dataclass(frozen=True, slots=True)
class Blanked:
    """A text with blanks in it, and where they are."""

    text: bytes
    macros: list[Range]
    linkages: list[Range]  # the two halves of `extern "C"` around a header


def blank_macros(data: bytes) -> Blanked:
    """Blank what hides definitions."""
    text = bytearray(data)
    found: list[Range] = []
    linkages = [linkage.span() for linkage in _LINKAGE.finditer(data)]
    for start, end in linkages:
        text[start:end] = _VISIBLE.sub(b" ", data[start:end])
    for brackets in (*_OLD_PARAMETERS.finditer(data), *_NAME_INSIDE.finditer(data)):
        for start, end in (brackets.span("open"), brackets.span("close")):
            text[start:end] = b" " * (end - start)
    for candidate in _CANDIDATE.finditer(data):
        start, end = candidate.span()
        line = data.rfind(b"\n", max(0, start - _NEAR), start) + 1 or max(0, start - _NEAR)
        before = bytes(text[line:start])
        if before.lstrip().startswith(b"#") or data[line - 2 : line - 1] == b"\\" or text[start] != data[start]:
            continue
        arguments = _ARGUMENTS.match(data, end)
        end = arguments.end() if arguments else end
        label = _LABEL.match(data, end)
        if arguments and _holds_type(text, before, line, (arguments.start(), end)):
            text[start:end] = b"int" + _VISIBLE.sub(b" ", data[start + 3 : end])
            continue
        parameter = (
            _PARAMETER.search(text[max(0, start - _NEAR) : start]) if arguments and _MORE.match(data, end) else None
        )
        if parameter:
            start -= len(parameter.group("comma"))
        elif label and (not before.strip() or _ACCESS.match(before)):
            end += not before.strip()
        elif not _decorates(text, before, (start, end)) and (before.strip() or not _stands_alone(text, line, end)):
            continue
        text[start:end] = _VISIBLE.sub(b" ", data[start:end])
        found.append((start, end))
    return Blanked(bytes(text), found, linkages)


def _decorates(text: bytearray, before: bytes, place: Range) -> bool:
    """Say whether what stands at `place`, with `before` in front of it on its line, decorates a declaration."""
    start, end = place
    if _WORDS.match(before):
        constructs = _CONSTRUCTOR.match(text, end) or (_NO_TYPE.search(text, start, end) and _CALLED.match(text, end))
        return bool(constructs or _DECLARATION.match(text, end))
    if _TAG.search(before):
        return bool(_DEFINED.match(text, end)) or (b"class" in before and bool(_DECLARED.match(text, end)))
    if _PARAMETERS.search(before):
        return bool(_BRACE.match(text, end))
    return bool(_TYPE.match(before) and _CALLED.match(text, end))


def _holds_type(text: bytearray, before: bytes, line: int, arguments: Range) -> bool:
    """Say whether a macro with these arguments is the return type of the function behind it."""
    inside = _TYPE_INSIDE.match(text, *arguments)
    function = _FUNCTION.match(text, arguments[1])
    if not inside or not function or not _WORDS.match(before) or b"}" in before:
        return False
    # DISABLE_COPY(Foo) before the constructor of Foo
    return inside["type"] != function["name"] and _begins(_code_before(text, line))


def _stands_alone(text: bytearray, line: int, end: int) -> bool:
    """Say whether a line holds nothing but a macro, where a declaration could begin and none is under way."""
    rest = _LINE_END.match(text, end)
    if not rest:
        return False
    after = text[rest.end() : rest.end() + 1]
    code = _code_before(text, line)
    before = code[-1:] or b";"
    if after == b"{":
        return before == b")"
    if after == b"}":  # the last thing in a struct, not the last constant of an enum
        return before in b";}" or bool(_HEAD.search(code))
    return _begins(code) and (after.isalpha() or after in b"_#~[/")


def _code_before(text: bytearray, line: int) -> bytes:
    """Give the code near a line and before it, without the comments between them, however long."""
    last = line
    while True:
        while last > 0 and text[last - 1] in b" \t\r\n":
            last -= 1
        comment = text.rfind(b"/*", max(0, last - _LONG_COMMENT), last) if text.endswith(b"*/", 0, last) else -1
        if comment < 0:
            return _COMMENT.sub(b"", bytes(text[max(0, last - _NEAR) : last])).rstrip()
        last = comment


def _begins(code: bytes) -> bool:
    """Say whether a declaration may begin after some code: a statement, a brace, a directive."""
    if (code[-1:] or b";") in b";{}>:":
        return True
    logical = code.replace(b"\r", b"").replace(b"\\\n", b"")
    return logical[logical.rfind(b"\n") + 1 :].lstrip().startswith(b"#")
