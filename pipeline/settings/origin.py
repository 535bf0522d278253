"""Where a config came from: the words that named it, and the places of its inputs. Changes nothing that a run does."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Origin:
    """Not compared: two configs with the same settings are equal, wherever they were read.

    `words`: the config's path and its overrides, as they follow a command. `inputs`: the place of each, `job.yaml:1`.
    """

    words: tuple[str, ...] = field(default=(), compare=False)
    inputs: tuple[str, ...] = field(default=(), compare=False)

    def command(self, name: str) -> str:
        """A command of ours on the same job, to be copied.

        >>> Origin(("my job.yaml",)).command("run"), Origin().command("run")
        ("stylize run 'my job.yaml'", 'stylize run CONFIG')
        """
        return shlex.join(["stylize", name, *(self.words or ("CONFIG",))])
