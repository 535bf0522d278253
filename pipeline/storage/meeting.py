"""Where machines that share an output behind a URL leave short texts for each other, see `execute.meeting`."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.storage.remote import Remote


@dataclass(frozen=True)
class RemoteMeeting:
    """The meeting place behind a URL."""

    url: str

    def leave(self, name: str, text: str) -> None:
        """Write a text down; raises `StorageError` where that cannot be."""
        Remote(self.url).replace(name, text.encode())

    def find(self, name: str) -> str | None:
        """The text of that name; None where there is none."""
        data = Remote(self.url).read(name)
        return None if data is None else data.decode()

    def clear(self) -> None:
        """Remove all texts."""
        remote = Remote(self.url)
        remote.remove([thing.name for thing in remote.below()])
