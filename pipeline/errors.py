"""Every error that the pipeline raises on purpose; only `cli` turns one into text and an exit code.

    PipelineError
    ├── ConfigError          the YAML or the command line is wrong                        exit 2
    ├── MediaError           one source cannot be read or written; the others go on        exit 3
    │   ├── FrameError       one frame of it cannot be stylized
    │   │   └── DamagedFrameError  a finished frame is not as it was committed
    │   └── DivergenceError  the optimization cannot be kept finite
    ├── ResumeError          the run folder cannot be used: locked, or not ours            exit 5
    └── UnableError          this machine or cluster is not able to                        exit 5
        ├── ClusterError     no such cluster, too few devices, workers that keep dying
        ├── WeightsError     no weights, or not the ones that were asked for
        ├── SpaceError       no room or no right to write
        └── StorageError     a URL cannot be reached, or not be used

A message says what, which value, where, and what to do. All of them pickle, since they cross Ray.
"""

from __future__ import annotations

from pathlib import Path


class PipelineError(Exception):
    """The root of every error raised on purpose; `str(error)` is fit for a person to read."""


class ConfigError(PipelineError):
    """The YAML file or the command line asks for something that does not exist or cannot be."""


class MediaError(PipelineError):
    """One source cannot be decoded, or its result cannot be written."""


class FrameError(MediaError):
    """One frame cannot be stylized. `frame` is its index in the source, counted from 0."""

    def __init__(self, message: str, frame: int) -> None:
        super().__init__(message, frame)  # both in args, so that it pickles
        self.frame = frame

    def __str__(self) -> str:
        return str(self.args[0])


class DamagedFrameError(FrameError):
    """A finished frame's file, or its place in a pack, is not what was committed. `folder` is its segment's."""

    def __init__(self, message: str, frame: int, folder: Path) -> None:
        super().__init__(message, frame)
        self.args = (message, frame, folder)  # so that it pickles
        self.folder = folder


class DivergenceError(MediaError):
    """The loss of a picture is not finite, and safer settings did not help."""


class ResumeError(PipelineError):
    """The run folder is in use by another run, or cannot be understood."""


class UnableError(PipelineError):
    """This machine or this cluster is not able to do the job as configured."""


class ClusterError(UnableError):
    """The Ray cluster is unreachable, too small, or keeps losing its workers."""


class WeightsError(UnableError):
    """The network's weights are missing, damaged, or not those that were asked for."""


class SpaceError(UnableError):
    """There is no room, or no permission, to write where the job writes."""


class StorageError(UnableError):
    """What is behind a URL is not there, cannot be reached, or may not be read or written."""
