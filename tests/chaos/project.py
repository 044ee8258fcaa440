"""Project: a small git repository with branches, the same one for the same seed, and edits to it."""

import random
import subprocess
from pathlib import Path

VERBS = (
    *("open", "close", "read", "send", "parse", "format", "merge", "split"),
    *("count", "sort", "pack", "load", "store", "drop", "find", "join"),
)
NOUNS = (
    *("invoice", "basket", "letter", "voyage", "engine", "garden", "market", "weather"),
    *("ticket", "camera", "bridge", "ledger"),
)
PLACES = (*("disk", "network", "queue", "browser", "printer", "archive", "terminal", "cache"),)
BRANCHES = ("main", "other", "third")

_SHAPES = {
    "py": 'def {name}(value):\n    """{Verb} the {noun} that came from the {place}, {number} times."""\n'
    "    return value + {number}\n",
    "js": "/** {Verb}s the {noun} of the {place}, step {number}. */\nexport function {name}(value) {{\n"
    "  return value * {number};\n}}\n",
    "go": "// {name} {verb}s one {noun} for the {place} {number}.\nfunc {name}(value int) int {{\n"
    "\treturn value - {number}\n}}\n",
    "md": "## How to {verb} the {noun} {number}\n\nGo to the {place} and {verb} it there.\n",
}
_HEADS = {"py": '"""Module {0}."""\n', "js": "// Module {0}.\n", "go": "package p{0}\n", "md": "# Notes {0}\n"}


class Project:
    """A repository at `root` whose content follows from `seed`."""

    def __init__(self, root: Path, seed: int, files: int) -> None:
        self.root = root
        self._random = random.Random(seed)
        self._number = 0
        root.mkdir(parents=True)
        self.git("init", "-q", "-b", BRANCHES[0])
        for number in range(files):
            extension = ("py", "js", "py", "go", "md")[number % 5]
            self._write(f"part{number % 4}/module_{number}.{extension}", 4)
        (root / ".gitignore").write_text("*.log\n")
        (root / "noise.log").write_text("not to be found\n")
        (root / "raw.bin").write_bytes(bytes(range(256)))
        (root / "latin.py").write_bytes("def größe():\n    return 1\n".encode("latin-1"))
        (root / "odd.py").write_text("def broken(:\r\n  \f return '🦊'\n")
        self._commit("first")
        for branch in BRANCHES[1:]:
            self.git("checkout", "-q", "-b", branch, BRANCHES[0])
            self._change(files // 3)
            self._commit(branch)
        self.git("checkout", "-q", BRANCHES[0])

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "gc.auto=0")
        subprocess.run(["git", "-C", str(self.root), *who, *words], check=True, capture_output=True, timeout=60)

    def switch(self) -> str:
        """Take another branch; what was changed and not committed goes."""
        now = (self.root / ".git/HEAD").read_text().strip().rpartition("/")[2]
        branch = self._random.choice([one for one in BRANCHES if one != now])
        self.git("checkout", "-q", "-f", branch)
        return branch

    def save(self) -> list[Path]:
        """Change some files as an editor would; gives them."""
        found = sorted(path for path in self.root.glob("part*/*") if path.suffix != ".md")
        chosen = self._random.sample(found, min(3, len(found)))
        for path in chosen:
            self._write(str(path.relative_to(self.root)), 5)
        return chosen

    def _change(self, count: int) -> None:
        found = sorted(self.root.glob("part*/*"))
        for path in self._random.sample(found, min(count, len(found))):
            match self._random.randrange(4):
                case 0:
                    path.unlink()
                case 1:
                    path.rename(path.with_name(f"renamed_{path.name}"))
                case _:
                    self._write(str(path.relative_to(self.root)), 5)
        self._write(f"part9/added_{self._number}.py", 4)

    def _commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def _write(self, name: str, pieces: int) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n\n".join([_HEADS[path.suffix[1:]].format(self._number), *map(self._piece, [path] * pieces)]))

    def _piece(self, path: Path) -> str:
        self._number += 1
        verb, noun, place = (self._random.choice(words) for words in (VERBS, NOUNS, PLACES))
        name = f"{verb}_{noun}_{self._number}"
        fields = {"verb": verb, "Verb": verb.title(), "noun": noun, "place": place}
        return _SHAPES[path.suffix[1:]].format(name=name, number=self._number, **fields)
