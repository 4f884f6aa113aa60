"""Write lines for the person or the program that watches the demo."""

import os
import re
import select

_COLOURS = (36, 35, 33, 32, 34)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CHUNK = 512  # POSIX: a pipe that can be written at all takes this much at once
_PATIENCE = 1.0


class Console:
    """Writes to a file descriptor. A reader can never block or break the writer.

    A reader that is gone (a closed terminal, a pipe into `head`) is ignored. If a reader does not read, the
    first write waits a second. After that, text is dropped until it reads again.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._coloured = os.isatty(descriptor) and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}
        self._patience = _PATIENCE

    def log(self, name: str, line: str) -> None:
        """Write one line, prefixed with the name of its process."""
        label = f"{name:<6} |"
        if self._coloured:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            self.write(f"\x1b[{colour}m{label}\x1b[0m {line}")
        else:
            self.write(f"{label} {_COLOUR.sub('', line)}")

    def write(self, text: str) -> None:
        """Write `text` and a line break."""
        data = f"{text}\n".encode(errors="replace")
        while data:
            try:
                if not select.select([], [self._descriptor], [], self._patience)[1]:
                    self._patience = 0.0
                    return
                written = os.write(self._descriptor, data[:_CHUNK])
            except OSError:
                return
            self._patience = _PATIENCE
            data = data[written:]
