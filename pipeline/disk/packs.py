"""Many finished frames in one file: a pack. Lossless, smaller than the single files, and read at any frame.

FFV1 in Matroska. Frames painted of bikes.mp4 at 240 px take 2.29 bytes per pixel as PNG, 1.81 in FFV1 and 2.00 in
lossless H.264 (libx264rgb, preset medium); in groups of 8 FFV1 is within 0.5 % of groups of 24, and a frame on its
own is decoded with at most 7 others. A pack is trusted only if it is as long as `packs.jsonl` says, and a frame out
of it only if its pixels have the digest that they had before.

Everything that reads finished frames does so by `read_frame` or `read_frames`, whichever way they are kept.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av

from pipeline.disk.packed import Packed, packed_frames, packs_of
from pipeline.durable import append_journal, link, sync_folder, write_synced
from pipeline.errors import DamagedFrameError, MediaError
from pipeline.frames import Frame, decode_frame, encode_frame
from pipeline.media.container import open_container
from pipeline.media.writing import writing
from pipeline.seals import Seals
from pipeline.workspace import finished_frames, frame_path

GROUP = 8
"""Frames of a pack between two that can be decoded without others."""

_REFUSALS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
"""What the system says where a file cannot be read for now, however sound it is: no reason to throw it away."""

_RATE = 25  # of the pack, where times only number the frames; a multiple of Matroska's milliseconds


def has_frame(segment: Path, index: int) -> bool:
    """Whether a frame is finished, as a file or in a pack."""
    return frame_path(segment, index).exists() or index in packed_frames(segment)


def read_frame(segment: Path, index: int, seals: Seals | None = None) -> Frame:
    """A finished frame, uint8 (h, w, 3) RGB; `DamagedFrameError` where it is not as committed, or not there.

    Another `MediaError` where the system does not let us look.

    `seals`: those of the segment, for whoever reads many of its frames.
    """
    return next(read_frames(segment, [index], seals))


def read_frames(segment: Path, indices: Iterable[int], seals: Seals | None = None) -> Generator[Frame]:
    """Finished frames in the order asked for; quickest in ascending order. Errors as of `read_frame`."""
    seals = seals or Seals(segment)
    with closing(_Packs()) as packs:
        for index in indices:
            try:
                yield _read(packs, segment, index, seals)
            except DamagedFrameError:
                raise
            except MediaError as error:
                if getattr(error.__cause__, "errno", None) in _REFUSALS:
                    raise  # which says nothing about the frame
                raise DamagedFrameError(str(error), index, segment) from error


def _read(packs: _Packs, segment: Path, index: int, seals: Seals) -> Frame:
    path, check = frame_path(segment, index), partial(seals.check, index)
    if path.exists():
        try:
            return decode_frame(path, check)
        except MediaError:
            if path.exists():  # else it has been packed just now
                raise
    packed = packed_frames(segment).get(index)
    return decode_frame(path, check) if packed is None else _read_newest(packs, segment, index, packed)


def throw_away_damaged(segment: Path, indices: Iterable[int]) -> list[int]:
    """Throw away what of some frames is not as it was committed, so that it is made again; which frames those are.

    A pack is taken apart for it: its other frames are files again, the same as before they were packed.
    """
    damaged = [index for index in indices if not _is_sound(segment, index)]
    with writing(segment):
        for index in damaged:
            frame_path(segment, index).unlink(missing_ok=True)
        for pack in {one.pack for index, one in packed_frames(segment).items() if index in damaged}:
            _unpack(segment, pack, damaged)
        if damaged:
            sync_folder(segment)
    return damaged


def _is_sound(segment: Path, index: int) -> bool:
    try:
        read_frame(segment, index)
    except DamagedFrameError:
        return False
    return True


def _unpack(segment: Path, pack: Path, damaged: Sequence[int]) -> None:
    """Make files of the frames of a pack, but for the damaged ones, and remove it."""
    inside = [index for index, one in packed_frames(segment).items() if one.pack == pack]
    for index in inside:
        with suppress(MediaError):
            if index not in damaged:
                data = encode_frame(read_frame(segment, index))
                temporary = segment / f".{index:08d}-{secrets.token_hex(6)}.tmp"
                write_synced(temporary, (data,))
                link(temporary, frame_path(segment, index))
                temporary.unlink(missing_ok=True)
    pack.unlink(missing_ok=True)


def _read_newest(packs: _Packs, segment: Path, index: int, packed: Packed) -> Frame:
    """A packed frame, out of the pack that has taken the place of the one it was found in, where one has."""
    while True:
        try:
            return packs.read(packed)
        except MediaError:
            newer = packed_frames(segment).get(index)
            if newer is None or newer.pack == packed.pack:
                raise
            packed = newer


def pack_frames(segment: Path) -> int:
    """Put all finished frames of a segment into one pack, and remove their files; the bytes that this freed.

    Nothing changes, and the answer is 0, where there is nothing to pack or the pack would not be smaller. Whenever
    this is cut short, every frame is still there. Raises `MediaError` where the pack does not give the same pixels
    back, `SpaceError` without room.
    """
    finished = finished_frames(segment, clean=False)
    old = set(segment.glob("frames-*.mkv"))
    files = [path for index in finished if (path := frame_path(segment, index)).exists()]
    if not files:
        return 0
    before = sum(path.stat().st_size for path in (*files, *old))
    token = secrets.token_hex(6)
    temporary, pack = segment / f".frames-{token}.tmp", segment / f"frames-{token}.mkv"
    try:
        digests = _write(temporary, segment, list(finished), most_bytes=before)
        if digests is None:
            return 0
        _check(temporary, digests)
        _install(temporary, pack, [[i, finished[i].bytes, d] for i, d in zip(finished, digests, strict=True)])
    finally:
        temporary.unlink(missing_ok=True)
    with writing(segment):
        for path in (*files, *old):
            path.unlink(missing_ok=True)
        sync_folder(segment)
    return before - pack.stat().st_size


def _write(temporary: Path, segment: Path, indices: list[int], most_bytes: int) -> list[str] | None:
    """Encode frames into a file, synced, and return their digests; None where it takes `most_bytes` or more."""
    digests, written = [], 0
    with writing(temporary), closing(read_frames(segment, indices)) as frames:
        with av.open(str(temporary), "w", format="matroska") as container:
            stream: Any = None
            for place, frame in enumerate(frames):
                if stream is None:
                    stream = _stream(container, frame)
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")
                picture.pts, picture.time_base = place, Fraction(1, _RATE)
                packets = stream.encode(picture)
                container.mux(packets)
                digests.append(_digest(frame))
                written += sum(packet.size for packet in packets)  # the muxer holds back megabytes
                if written >= most_bytes:
                    return None
            container.mux(stream.encode(None))
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
    return digests if temporary.stat().st_size < most_bytes else None


def _stream(container: Any, frame: Frame) -> Any:
    stream = container.add_stream("ffv1", rate=_RATE, options={"g": str(GROUP), "context": "0"})
    stream.height, stream.width = frame.shape[:2]
    stream.pix_fmt = "bgr0"  # FFV1's own format of 8-bit RGB
    return stream


def _check(pack: Path, digests: list[str]) -> None:
    """Read a pack back; `MediaError` unless it gives exactly the frames that went in."""
    with closing(_Packs()) as packs:
        for place, digest in enumerate(digests):
            packs.read(Packed(pack, place, 0, digest))


def _install(temporary: Path, pack: Path, frames: list[list[Any]]) -> None:
    """Make a written pack count: its line first, then its name, so that a pack never lacks a line."""
    size = temporary.stat().st_size
    append_journal(packs_of(pack.parent), {"pack": pack.name, "bytes": size, "frames": frames})
    with writing(pack):
        temporary.replace(pack)
        sync_folder(pack.parent)


class _Packs:
    """Reads packs; owns the decoder of the one that is open, which goes on where it was."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._container: Any = None
        self._frames: Any = iter(())
        self._next = 0  # the place that the decoder gives next

    def close(self) -> None:
        """Close what is open."""
        if self._container is not None:
            self._container.close()
        self._path = self._container = None

    def read(self, packed: Packed) -> Frame:
        """The frame that is packed there; `MediaError` where it is not what it was."""
        try:
            frame = self._decode(packed)
        except (av.FFmpegError, OSError, ValueError, StopIteration) as error:
            raise _damaged(packed, error) from error
        if _digest(frame) != packed.digest:
            raise _damaged(packed, "other pixels than were packed")
        return frame

    def _decode(self, packed: Packed) -> Frame:
        if packed.pack != self._path:
            self.close()
            self._container = open_container(packed.pack)
            self._path, self._next = packed.pack, 0
            self._frames = self._container.decode(video=0)
        if not 0 <= packed.place - self._next < GROUP:
            stream = self._container.streams.video[0]
            time = Fraction(packed.place, _RATE) / stream.time_base
            self._container.seek(round(time), stream=stream)
            self._frames, self._next = self._container.decode(video=0), -1
        while True:
            picture = next(self._frames)
            place = round(picture.pts * picture.time_base * _RATE)
            self._next = place + 1
            if place >= packed.place:
                frame: Frame = picture.to_ndarray(format="rgb24")
                return frame


def _digest(frame: Frame) -> str:
    return hashlib.sha256(frame.tobytes()).hexdigest()[:32]


def _damaged(packed: Packed, why: object) -> MediaError:
    with suppress(AttributeError):
        why = why.strerror or why  # type: ignore[attr-defined]
    return MediaError(
        f"frame {packed.place} of {packed.pack} is damaged ({why}); delete the file and run again, "
        "which makes the frames in it again"
    )
