"""Picture: paints docs/terminal.svg, the terminal in the README, from a real run on the demo's project.

    make picture

Takes what `meaning-ls search` prints in colour, gives an SVG. Understands the few escape sequences that terminal.py
writes and nothing more.
"""

import re
import subprocess
import sys
from html import escape
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / ".ci"))
import demo  # noqa: E402 - it fetches the project that is shown

PICTURE = CHECKOUT / "docs" / "terminal.svg"
WIDTH, LINE_HEIGHT, MARGIN, FONT_SIZE = 920, 19, 18, 13
COLUMNS = 112  # characters that fit into WIDTH
STYLES = {"1": 'font-weight="bold" fill="#ffffff"', "2": 'fill="#8b949e"', "36": 'fill="#56d4dd"'}
_SEQUENCE = re.compile(r"\x1b\[([\d;]*)m")


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
    PICTURE.write_text(paint(shown.splitlines()), encoding="utf-8")
    return 0


def paint(lines: list[str]) -> str:
    """Return the SVG of a terminal that shows `lines`."""
    height = 2 * MARGIN + LINE_HEIGHT * len(lines)
    rows = "\n".join(
        f'<text x="{MARGIN}" y="{MARGIN + LINE_HEIGHT * at + FONT_SIZE}">{row(line)}</text>'
        for at, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="meaning-ls in a terminal">\n'
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#0d1117"/>\n'
        f'<g fill="#c9d1d9" font-size="{FONT_SIZE}" xml:space="preserve" '
        f'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace">\n{rows}\n</g>\n</svg>\n'
    )


def row(line: str) -> str:
    """Return one line as text spans."""
    spans, style, room = [], "", COLUMNS
    for at, part in enumerate(_SEQUENCE.split(line)):
        if at % 2:
            style = STYLES.get(part, "")
            continue
        text, room = part[:room], max(0, room - len(part))
        if text:
            spans.append(f"<tspan {style}>{escape(text)}</tspan>" if style else escape(text))
    return "".join(spans)


if __name__ == "__main__":
    sys.exit(main())
