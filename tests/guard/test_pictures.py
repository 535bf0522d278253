"""What a file that calls itself a picture can make Pillow do: start no other program, take no memory without bounds."""

from __future__ import annotations

import ast
import io
import os
import struct
import time
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pipeline
from pipeline.errors import ConfigError, MediaError
from pipeline.execute.worker import read_style
from pipeline.frames import decode_frame
from pipeline.media import animation, photos
from pipeline.media.animation import read_timing
from pipeline.media.listing import list_inputs
from pipeline.media.photo_formats import no_pillow_limit
from pipeline.media.photos import read_photo, read_photo_header
from pipeline.media.probe import probe
from pipeline.media.sources import look_like_frames, moves
from pipeline.media.stills import read_header, read_still
from pipeline.settings.paths import image_trouble
from tests.media.clips import source_of

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n0 0 9 9 rectfill\nshowpage\n%%EOF\n"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/Launch/F(/bin/sh)>>>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
PSD = b"8BPS\0\1" + bytes(6) + struct.pack(">HLLHH", 3, 4, 4, 8, 3) + bytes(12) + bytes(2 + 48)
MIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)

READERS: dict[str, Callable[[Path], object]] = {
    "style": read_style,
    "still": read_still,
    "header": read_header,
    "photo": lambda path: read_photo(path, lambda w, h: (w, h), 10**8),
    "photo's header": lambda path: read_photo_header(path, 10**8),
    "animation": read_timing,
    "finished frame": decode_frame,
    "probe": lambda path: probe(source_of(path, "still"), rate=Fraction(1)),
}


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))


def png(*chunks: bytes, width_px: int = 4, height_px: int = 4) -> bytes:
    head = chunk(b"IHDR", struct.pack(">LLBBBBB", width_px, height_px, 8, 2, 0, 0, 0))
    pixels = zlib.compress(bytes((1 + 4 * 3) * 4))  # of 4x4, whatever the header says
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Ghostscript that leaves a mark where it is started, first in the search path."""
    mark, program = tmp_path / "started", tmp_path / "bin/gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho >> '{mark}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    return mark


def test_pillow_itself_would_start_ghostscript(ghostscript: Path) -> None:
    """Else the next test tests nothing."""
    with pytest.raises(OSError), Image.open(io.BytesIO(EPS)) as picture:
        picture.load()
    assert ghostscript.exists()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".webp", ".eps"])
@pytest.mark.parametrize("reader", READERS)
def test_no_picture_starts_another_program(
    reader: str, suffix: str, tmp_path: Path, ghostscript: Path
) -> None:
    path = tmp_path / f"picture{suffix}"
    for data in (EPS, SVG, PDF, PSD, MIC):
        path.write_bytes(data)
        with pytest.raises(MediaError):
            READERS[reader](path)
        assert image_trouble(path) == "cannot be read as one"
        assert not moves(path)
        assert not look_like_frames([path])
    assert not ghostscript.exists()


def test_only_one_place_of_the_pipeline_opens_pictures_with_pillow() -> None:
    found = [
        path.name
        for path in Path(pipeline.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("Image.open", "iio.imread", "imread", "cv2.imread", "cv2.VideoCapture")
    ]
    assert found == ["photo_formats.py"]


@pytest.mark.parametrize("reader", READERS)
def test_a_header_that_promises_gigabytes_is_refused_before_there_is_memory_for_it(
    reader: str, tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(png(width_px=60_000, height_px=60_000))
    begin_s = time.monotonic()
    with pytest.raises(MediaError):
        READERS[reader](path)
    assert image_trouble(path) == "has too many pixels; make it smaller"
    assert time.monotonic() - begin_s < 5


def test_the_bound_holds_while_photographs_are_read_without_pillows(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(png(width_px=60_000, height_px=60_000))
    with no_pillow_limit(), pytest.raises(MediaError, match="too large to be a picture"):
        read_header(path)


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_text_or_a_profile_that_unpacks_to_gigabytes_is_refused(name: bytes, tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(1 << 27), 9)
    head = b"k\0\1\0\0\0" if name == b"iTXt" else b"k\0\0"
    path = tmp_path / "picture.png"
    path.write_bytes(png(chunk(name, head + bomb)))
    for read in (read_style, READERS["photo"]):
        with pytest.raises(MediaError, match="Decompressed data too large"):
            read(path)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_of_more_frames_than_can_be_composed_is_refused(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"many{suffix}"
    frames = [Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)) for i in range(10)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    assert len(read_timing(path).durations_ms) == 10
    monkeypatch.setattr(animation, "MOST_PIXELS", 8 * 8 * 9)
    with pytest.raises(MediaError, match="more than 9 frames of 8x8 px"):
        read_timing(path)


def test_a_tiff_of_very_many_pages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, pages = tmp_path / "many.tif", [Image.new("RGB", (4, 4))] * 5
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert read_photo_header(path, 10**6).pages == 5
    monkeypatch.setattr(photos, "MOST_PAGES", 4)
    with pytest.raises(MediaError, match="5 pages, and at most 4"):
        read_photo_header(path, 10**6)


@pytest.mark.parametrize("reader", ["style", "header", "animation", "finished frame", "film"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "pipe.gif"
    os.mkfifo(path)
    film: Callable[[Path], object] = lambda path: probe(source_of(path), rate=Fraction(1))  # noqa: E731
    with pytest.raises(MediaError, match="it is a device or a pipe"):
        READERS.get(reader, film)(path)


def test_a_pipe_or_a_device_that_is_named_as_a_picture_is_not_waited_for(
    job: Callable[..., object], tmp_path: Path
) -> None:
    pipes = [tmp_path / "pipe.png", tmp_path / "pipe.pth"]
    for pipe in pipes:
        os.mkfifo(pipe)
    wrong = {"weights": pipes[1], "content_mask": pipes[0], "style": Path("/dev/zero")}
    for key, path in wrong.items():
        with pytest.raises(ConfigError, match=f"{path} is a device or a pipe"):
            job(tmp_path, **{key: str(path)})
    with pytest.raises(ConfigError, match=r"input .*pipe\.png is neither a file nor a folder"):
        list(list_inputs([str(pipes[0])], folders="auto", exclude=tmp_path / "out"))
