"""What tests put behind a URL, and look up there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Bucket:
    """A place behind a URL."""

    url: str
    files: Any  # fsspec's file system

    def put(self, name: str, source: Path | bytes) -> str:
        """Put a file, and give its URL."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        self.files.pipe_file(f"{self.url}/{name}", data)
        return f"{self.url}/{name}"

    def read(self, name: str) -> bytes:
        return bytes(self.files.cat_file(f"{self.url}/{name}"))

    def remove(self, name: str) -> None:
        self.files.rm_file(f"{self.url}/{name}")

    def names(self, below: str = "") -> list[str]:
        """Every file below a folder, by its name below the bucket."""
        root = self.files._strip_protocol(self.url)
        found = self.files.find(f"{self.url}/{below}".rstrip("/"))
        return sorted(str(name).removeprefix(f"{root}/") for name in found)

    def results(self, below: str) -> dict[str, bytes]:
        """The bytes of every result of an output folder, by its path there."""
        names = [name.removeprefix(f"{below}/") for name in self.names(below)]
        return {name: self.read(f"{below}/{name}") for name in names if not name.startswith(".stylize/")}

    def frames(self, below: str) -> dict[str, bytes]:
        """The bytes of every finished frame, by its path in the run folder."""
        names = [name for name in self.names(f"{below}/.stylize/segments") if name.endswith(".png")]
        return {name.removeprefix(f"{below}/"): self.read(name) for name in names}
