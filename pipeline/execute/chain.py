"""One segment being worked on: what each of its frames starts from, and what it is held to.

Every frame starts from what is committed, in this segment or in the stage before, never from what is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.disk.packs import has_frame, read_frame
from pipeline.errors import FrameError, MediaError
from pipeline.execute.contents import Contents
from pipeline.execute.job import SegmentJob, WorkerSettings
from pipeline.execute.tensors import as_tensor
from pipeline.frames import Frame
from pipeline.motion.flow import Estimate, Floats, Motion, estimate_motion
from pipeline.motion.measures import warping_error
from pipeline.motion.warm import Carried, carry, level, mix, uncovered, unit, warm_start
from pipeline.originals import Originals
from pipeline.seals import Seals
from pipeline.style import Anchor, Guidance
from pipeline.workspace import FrameRecord, finished_frames

ENOUGH = 1.01
"""A start whose loss is at most this times that at which its chain last settled is left as it is. So a film of which
nothing moves is painted once, and stays what it was."""


@dataclass(frozen=True)
class Beginning:
    """How to make one frame. `start` None: cold. `copy`: the frame is there already, and is taken as it is."""

    content: Frame
    effort: float = 1.0
    start: Floats | None = None
    guidance: Guidance | None = None
    copy: Frame | None = None


class Chain:
    """One segment, frame by frame."""

    def __init__(self, job: SegmentJob, settings: WorkerSettings, estimate: Estimate | None = None) -> None:
        self.job = job
        self._mode = settings.warm_start
        self._weight = settings.temporal_weight
        self._backs = (1, *settings.long_term)
        self._estimate = estimate
        self._contents = Contents(job, max(self._backs))
        self._motions: dict[tuple[int, int], Motion] = {}
        self._records: dict[int, FrameRecord] = {}
        self._seals: dict[Path, Seals] = {}
        self._originals = Originals(job.originals)

    def begin(self, index: int) -> Beginning:
        """How to make frame `index`."""
        content = self._contents[index]
        if self.job.kind == "blend":
            return self._blend(index, content)
        if self.job.kind == "pass":
            return self._again(index, content)
        if index == self.job.first or self._mode == "none":
            return Beginning(content, self.job.effort)
        return self._follow(index, content)

    def content(self, index: int) -> Frame:
        """Frame `index` as it is in the source, at its size in the result."""
        return self._contents[index]

    def check_source(self, index: int) -> None:
        """Raise `FrameError` where what frame `index` was read from is not any more what the run looked at."""
        files = self.job.source.files
        if self.job.source.kind == "sequence":
            files = files[max(0, index - max(self._backs)) : index + 2]
        try:
            self._originals.check(files)
        except MediaError as error:
            raise FrameError(f"{self.job.source.name}: {error}", index) from error

    def warping_error(self, index: int, painted: Frame) -> float | None:
        """Of a painting of frame `index` against the frame that is shown before it, where that is finished by now.

        In a pass that is a frame of the same pass only; a backward pass makes it later, another segment may.
        """
        if self.job.kind == "pass" and (self.job.step < 0 or index == self.job.first):
            return None
        before = self._finished(index - 1)
        if before is None or (self._mode == "none" and index == self.job.first):
            return None
        return warping_error(painted, before, self._motion(index - 1, index))

    def settled(self, begun: Beginning, loss: float, evaluations: int) -> float:
        """The loss at which the chain settled last, once the frame is done; `loss`: what it has on its own then."""
        enough = None if begun.guidance is None else begun.guidance.enough
        return loss if enough is None or evaluations > 1 or loss > enough else enough / ENOUGH

    def note(self, record: FrameRecord) -> None:
        """Take down the record of a frame that has been committed."""
        if self.job.kind == "paint":  # the others start from their drafts' records
            self._records[record.frame] = record

    def _follow(self, index: int, content: Frame) -> Beginning:
        """A frame from its predecessor, held to it and to the long-term ones."""
        painted = self._painting(index - 1)
        motion = self._motion(index - 1, index)
        if self._mode == "previous":
            return Beginning(content, 1.0, unit(painted), self._guidance(index, [], None))
        start = warm_start(painted, self._contents[index - 1], content, motion)
        earlier = [
            (self._painting(index - back), self._motion(index - back, index))
            for back in self._backs
            if index - back >= self.job.first and self._weight
        ]
        return Beginning(content, 1.0, start, self._guidance(index, carry(earlier), uncovered(motion)))

    def _blend(self, index: int, content: Frame) -> Beginning:
        """A draft, drawn towards its neighbor's look as far as `level` says, and the strokes brought back."""
        draft, last = self._draft(index), self.job.stop - self.job.first
        done = index - self.job.first
        if done + 1 == last:
            return Beginning(content, copy=draft)
        share = level((done + 1) / last) / level(done / last)
        painted = self._finished(index - 1)
        assert painted is not None, "a blend begins at the last frame of the segment before"
        (carried,) = carry([(painted, self._motion(index - 1, index))])
        start = mix(draft, carried, share)
        everywhere = np.ones(start.shape[:2], dtype=np.float32)
        held = self._guidance(index, [Carried(start, everywhere)], None, self._record(index).base_loss)
        return Beginning(content, self.job.effort, start, held)

    def _again(self, index: int, content: Frame) -> Beginning:
        """A frame in a later pass: a mean of its draft and of its neighbor's new painting, held to both neighbors.

        The neighbor that is yet to be made is taken as the stage before has it, even where it is there already.
        """
        held = []
        behind, ahead = index - self.job.step, index + self.job.step
        start = unit(self._draft(index))
        for neighbor, painted in ((behind, self._finished(behind)), (ahead, self._in_drafts(ahead))):
            if painted is not None:
                (carried,) = carry([(painted, self._motion(neighbor, index))])
                held.append(carried)
                if neighbor == behind:
                    start = mix(self._draft(index), carried, 0.5)
        guidance = self._guidance(index, held, None, self._record(index).base_loss)
        return Beginning(content, self.job.effort, start, guidance)

    def _guidance(
        self, index: int, carried: list[Carried], fresh: Floats | None, loss: float | None = None
    ) -> Guidance:
        """Anchors weighed by the predecessor's loss (or `loss`): `temporal_weight` means the same for all recipes."""
        enough = None
        if loss is None:
            record = self._record(index - 1)
            loss, enough = record.base_loss, ENOUGH * (record.settled or record.base_loss)
            if self.job.moment(index) != self.job.moment(index - 1):
                enough = None  # losses of two objectives say nothing about each other
        anchors = tuple(
            Anchor(as_tensor(one.image), as_map(one.confidence), self._weight * loss)
            for one in carried
            if self._weight
        )
        return Guidance(anchors, None if fresh is None else as_map(fresh), enough)

    def _motion(self, earlier: int, index: int) -> Motion:
        if (earlier, index) not in self._motions:
            self._motions = {pair: motion for pair, motion in self._motions.items() if pair[1] == index}
            self._motions[earlier, index] = estimate_motion(
                self._contents[earlier], self._contents[index], self._estimate
            )
        return self._motions[earlier, index]

    def _painting(self, index: int) -> Frame:
        return self._read(self.job.folder, index)

    def _draft(self, index: int) -> Frame:
        found = self._in_drafts(index)
        if found is None:
            raise FrameError(f"{self.job.name}: the draft of frame {index} is not there", index)
        return found

    def _in_drafts(self, index: int) -> Frame | None:
        for first, stop, folder in self.job.drafts:
            if first <= index < stop:
                return self._read(folder, index)
        return None

    def _read(self, folder: Path, index: int) -> Frame:
        return read_frame(folder, index, self._seals.setdefault(folder, Seals(folder)))

    def _finished(self, index: int) -> Frame | None:
        """Frame `index` as this segment made it, else as the stage before did; None where neither has it."""
        if self.job.first <= index < self.job.stop and has_frame(self.job.folder, index):
            return self._painting(index)
        return self._in_drafts(index)

    def _record(self, index: int) -> FrameRecord:
        """The record of the frame that `index` starts from: in this segment, or of its draft."""
        if index in self._records:
            return self._records[index]
        for folder in self._folders(index):
            self._records |= finished_frames(folder, clean=False)
            if index in self._records:
                return self._records[index]
        raise FrameError(f"{self.job.name}: the record of frame {index} is not there", index)

    def _folders(self, index: int) -> Iterator[Path]:
        if self.job.kind == "paint":
            yield self.job.folder
        yield from (folder for first, stop, folder in self.job.drafts if first <= index < stop)


def as_map(values: Floats) -> Tensor:
    """(1, 1, h, w), float32, of a map (h, w)."""
    return torch.from_numpy(np.ascontiguousarray(values))[None, None]
