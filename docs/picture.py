"""Picture: paints docs/terminal.svg, the terminal in the README, from a real run on the demo's project.

    make picture

Takes what `meaning-ls search` prints in colour, gives an SVG. `paint` takes the lines of any terminal, with the escape
sequences for colours and weights in them, and is what docs/screens.py paints editors with.
"""

import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / ".ci"))
import demo  # noqa: E402 - it fetches the project that is shown

PICTURE = CHECKOUT / "docs" / "terminal.svg"
COLUMNS = 112  # of the README's terminal
LINE_HEIGHT, MARGIN, FONT_SIZE = 19, 18, 13
CHARACTER = 7.85  # width of a column: what fonts of this size have, and what text is fitted to
FOREGROUND, BACKGROUND, DIM, BRIGHT = "#c9d1d9", "#0d1117", "#8b949e", "#ffffff"
# The sixteen colours of a terminal, as GitHub's dark theme has them.
PALETTE = (
    *("#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#56d4dd", "#b1bac4"),
    *("#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff"),
)
_SEQUENCE = re.compile(r"\x1b\[([\d;:]*)m")


@dataclass(frozen=True, slots=True)
class Style:
    """How characters look: colours as the SVG writes them, "" for the terminal's own."""

    foreground: str = ""
    background: str = ""
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underlined: bool = False
    reversed: bool = False


def main() -> int:
    """Run the search and write the picture."""
    folder = demo.fetch()
    if folder is None:
        return 1
    words = ["search", demo.QUESTION, ".", "--limit", "4"]
    command = [
        sys.executable,
        "-m",
        "lsp_server",
        *words,
        "--color",
        "always",
        "--cache-dir",
        str(demo.CACHE / "index"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        sys.stderr.write(done.stderr)
        return done.returncode
    shown = f'\x1b[2m~/werkzeug-3.1.3 $\x1b[0m \x1b[1mmeaning-ls search "{demo.QUESTION}"\x1b[0m\n{done.stdout}'
    PICTURE.write_text(paint(shown.splitlines(), COLUMNS), encoding="utf-8")
    return 0


def paint(lines: list[str], columns: int) -> str:
    """Return the SVG of a terminal that shows `lines`, cut at `columns`."""
    width, height = round(2 * MARGIN + CHARACTER * columns), 2 * MARGIN + LINE_HEIGHT * len(lines)
    rows = "\n".join(filter(None, (row(line, MARGIN + LINE_HEIGHT * at, columns) for at, line in enumerate(lines))))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="meaning-ls in a terminal">\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>\n'
        f'<g fill="{FOREGROUND}" font-size="{FONT_SIZE}" xml:space="preserve" '
        f'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace">\n{rows}\n</g>\n</svg>\n'
    )


def row(line: str, top: int, columns: int) -> str:
    """Return one line: a rectangle for each run of characters with a background, and their text fitted to columns."""
    rectangles, texts, column = [], [], 0
    for text, style in runs(line):
        shown = cut(text, columns - column)
        wide = width_of(shown)
        x, extent = MARGIN + CHARACTER * column, CHARACTER * wide
        column += wide
        foreground, background = colours(style)
        if background and shown:
            place = f'x="{x:.1f}" y="{top}" width="{extent:.1f}" height="{LINE_HEIGHT}"'
            rectangles.append(f'<rect {place} fill="{background}"/>')
        if shown.strip():
            look = foreground and f' fill="{foreground}"'
            look += style.bold * ' font-weight="bold"' + style.italic * ' font-style="italic"'
            look += style.underlined * ' text-decoration="underline"'
            texts.append(f'<tspan x="{x:.1f}" textLength="{extent:.1f}"{look}>{escape(shown)}</tspan>')
    text = f'<text y="{top + FONT_SIZE}">{"".join(texts)}</text>' if texts else ""
    return "".join(rectangles) + text


def runs(line: str) -> Iterator[tuple[str, Style]]:
    """Take a line apart into texts of one style each."""
    style = Style()
    for at, part in enumerate(_SEQUENCE.split(line)):
        if at % 2:
            style = restyle(style, [int(code or 0) for code in re.split("[;:]", part)])
        elif part:
            yield part, style


def restyle(style: Style, codes: list[int]) -> Style:
    """Return the style after an escape sequence with these codes (ECMA-48, SGR)."""
    while codes:
        code, codes = codes[0], codes[1:]
        if code == 0:
            style = Style()
        elif code in (1, 2, 3, 4, 7):
            style = replace(style, **{("bold", "dim", "italic", "underlined", "", "", "reversed")[code - 1]: True})
        elif code == 22:
            style = replace(style, bold=False, dim=False)
        elif code in (23, 24, 27):
            style = replace(style, **{{23: "italic", 24: "underlined", 27: "reversed"}[code]: False})
        elif code % 10 == 8 and code in (38, 48):
            colour, codes = extended(codes)
            style = replace(style, **{"foreground" if code == 38 else "background": colour})
        elif code in (39, 49):
            style = replace(style, **{"foreground" if code == 39 else "background": ""})
        elif code // 10 in (3, 9):
            style = replace(style, foreground=PALETTE[code % 10 + 8 * (code > 89)])
        elif code // 10 in (4, 10):
            style = replace(style, background=PALETTE[code % 10 + 8 * (code > 99)])
    return style


def extended(codes: list[int]) -> tuple[str, list[int]]:
    """Read a colour of 256 (5;n) or of all (2;r;g;b); return it and the codes that follow."""
    if codes[:1] == [2]:
        return "#{:02x}{:02x}{:02x}".format(*codes[1:4]), codes[4:]
    number, rest = codes[1], codes[2:]
    if number < 16:
        return PALETTE[number], rest
    if number > 231:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3, rest
    steps = (0, 95, 135, 175, 215, 255)
    red, green, blue = ((number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6)
    return f"#{steps[red]:02x}{steps[green]:02x}{steps[blue]:02x}", rest


def colours(style: Style) -> tuple[str, str]:
    """Return foreground and background as they are seen, "" for the picture's own."""
    foreground, background = style.foreground, style.background
    if not foreground:
        foreground = DIM if style.dim else BRIGHT if style.bold else ""
    if style.reversed:
        return background or BACKGROUND, foreground or FOREGROUND
    return foreground, background


def width_of(text: str) -> int:
    """Return how many columns a text takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def cut(text: str, columns: int) -> str:
    """Return as much of a text as fits."""
    while width_of(text) > columns:
        text = text[:-1]
    return text


if __name__ == "__main__":
    sys.exit(main())
