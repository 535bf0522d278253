"""Where the machines of a cluster leave short texts for each other, to find out whether they share what they should."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.durable import writing

PATIENCE_S = 15.0
"""How long a file may take to be seen on other machines; NFS keeps what it knows of a folder for up to that."""


class Meeting(Protocol):
    """A place where the machines leave short texts for each other; pickles."""

    def leave(self, name: str, text: str) -> None:
        """Write a text down; raises `OSError` or an error of `errors` where that cannot be."""

    def find(self, name: str) -> str | None:
        """The text of that name, waiting for it for a while; None where there is none."""

    def clear(self) -> None:
        """Remove all texts."""


@dataclass(frozen=True)
class SharedFolder:
    """The meeting place of machines that share a folder."""

    path: Path
    patience_s: float = PATIENCE_S

    def leave(self, name: str, text: str) -> None:
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text, "utf-8")

    def find(self, name: str) -> str | None:
        deadline_s = time.monotonic() + self.patience_s
        while True:
            with suppress(OSError):
                os.scandir(self.path).close()  # makes NFS look at the folder anew
                if text := (self.path / name).read_text("utf-8"):
                    return text
            if time.monotonic() > deadline_s:
                return None
            time.sleep(0.1)

    def clear(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
