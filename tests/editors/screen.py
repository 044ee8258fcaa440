"""A terminal that a program runs in, by tmux: keys in, what stands on the screen out."""

import subprocess
import time
from pathlib import Path

SIZE = (160, 40)  # columns and lines
GLANCE_SECONDS = 0.05  # between two looks at the screen


class Screen:
    """A program in a terminal of its own; the tmux server that holds it is nobody else's."""

    def __init__(
        self, folder: Path, command: list[str], environment: dict[str, str], cwd: Path, size: tuple[int, int] = SIZE
    ) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        shape = ["-x", str(size[0]), "-y", str(size[1])]
        subprocess.run(
            [*self._tmux, "new-session", "-d", *shape, *command],
            env=environment | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
            cwd=cwd,
            check=True,
        )

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, Escape, C-q, Space."""
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def type(self, text: str) -> None:
        """Type a text."""
        subprocess.run([*self._tmux, "send-keys", "-l", text], check=True)

    def paste(self, text: str) -> None:
        """Paste a text of several lines, as a terminal does it."""
        subprocess.run([*self._tmux, "set-buffer", text], check=True)
        subprocess.run([*self._tmux, "paste-buffer", "-p"], check=True)

    def lines(self) -> list[str]:
        """Return what stands on the screen; nothing when the program has ended."""
        return self._capture().splitlines()

    def painted(self) -> list[str]:
        """Return the same with its colours, as escape sequences."""
        return self._capture("-e").splitlines()

    def until(self, test, seconds):
        """Wait until `test` of the screen's lines gives something true, and return that."""
        end = time.monotonic() + seconds
        while not (found := test(self.lines())):
            if time.monotonic() > end:
                raise AssertionError("it never came; the screen shows\n" + "\n".join(self.lines()))
            time.sleep(GLANCE_SECONDS)
        return found

    def is_running(self) -> bool:
        """Return whether the program still runs."""
        return subprocess.run([*self._tmux, "list-sessions"], capture_output=True).returncode == 0

    def close(self) -> None:
        """End the program and its terminal, if they have not ended."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True)

    def _capture(self, *options: str) -> str:
        done = subprocess.run([*self._tmux, "capture-pane", "-p", *options], capture_output=True, text=True)
        return done.stdout
