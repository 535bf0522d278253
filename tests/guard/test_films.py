"""What a file that calls itself a film can make libav do: nothing but read that file, within bounds."""

from __future__ import annotations

import ast
import io
import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest

import pipeline
from pipeline.errors import MediaError
from pipeline.media import container
from pipeline.media import probe as probing
from pipeline.media.encode import encode_video
from pipeline.media.probe import probe
from tests.media.certified import verify_video
from tests.media.clips import picture, source_of, write_clip

LISTS = {
    "concat": "ffconcat version 1.0\nfile clip.mp4\n",
    "concat of the network": "ffconcat version 1.0\noption safe 0\nfile {url}\n",
    "concat of a protocol": "ffconcat version 1.0\nfile subfile,,start,0,end,0,,:{folder}/clip.mp4\n",
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{folder}/clip.ts\n#EXT-X-ENDLIST\n",
    "HLS of the network": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
    "DASH": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="x"><Period>'
    "<AdaptationSet><Representation id='1'><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "VobSub": "# VobSub index file, v7\nsize: 720x576\n",
    "metadata alone": ";FFMETADATA1\ntitle=x\n",
    "SVG": '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with films that a list could name."""
    folder = tmp_path_factory.mktemp("clips")
    for name in ("clip.mp4", "clip.ts"):
        write_clip(folder / name, frames=3)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, list[str]]]:
    """The address of a server on this machine, and what it has been asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}/clip.ts", paths
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def asked(server: tuple[str, list[str]]) -> tuple[str, list[str]]:
    """The same, asked for nothing yet."""
    server[1].clear()
    return server


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".m3u8", ""])
@pytest.mark.parametrize("kind", LISTS)
def test_a_text_that_names_other_files_or_the_network_is_not_followed(
    kind: str, suffix: str, clips: Path, asked: tuple[str, list[str]]
) -> None:
    url, paths = asked
    film = clips / f"film{suffix}"
    film.write_text(LISTS[kind].format(url=url, folder=clips))
    with pytest.raises(MediaError, match=r"no film by its content|cannot be opened as a video"):
        probe(source_of(film), rate=Fraction(25))
    assert paths == []


def test_libav_itself_would_follow_a_list_of_files(clips: Path) -> None:
    """Else the test above tests nothing."""
    (clips / "film.mp4").write_text(LISTS["concat"])
    with av.open(str(clips / "film.mp4")) as followed:
        assert sum(1 for _ in followed.decode(video=0)) == 3


def test_a_name_that_looks_like_an_address_is_a_file(
    tmp_path: Path, asked: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, paths = asked
    monkeypatch.chdir(tmp_path)
    for name in (url, "concat:a.mp4", "data:video/mp4;base64,AAAA", "pipe:0"):
        with pytest.raises(MediaError, match="No such file"):
            probe(source_of(Path(name)), rate=Fraction(25))
    assert paths == []


def test_only_one_place_of_the_pipeline_opens_files_with_libav() -> None:
    found = []
    for path in Path(pipeline.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("av.open"):
                mode = node.args[1] if len(node.args) > 1 else None
                if not (isinstance(mode, ast.Constant) and mode.value == "w"):
                    found.append(path.name)
    assert found == ["container.py"]


def test_a_frame_larger_than_any_screen_is_refused_before_there_is_memory_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = write_clip(tmp_path / "film.mp4", frames=3)
    assert container.MAX_PIXELS == 1 << 27
    monkeypatch.setattr(container, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(MediaError, match="frames of 64x48 px, more than"):
        probe(source_of(film), rate=Fraction(25))


def test_what_a_container_calls_its_attachments_chapters_and_tags_is_never_a_path(tmp_path: Path) -> None:
    names = ["../../outside.ttf", f"{tmp_path}/absolute.ttf", "\x1b]0;title\x07.ttf"]
    film, target = tmp_path / "in/film.mkv", tmp_path / "out/film.mkv"
    film.parent.mkdir()
    target.parent.mkdir()
    clip = write_clip(tmp_path / "in/clip.mp4", frames=3)
    with av.open(str(clip)) as origin, av.open(str(film), "w") as out:
        copy = out.add_stream_from_template(origin.streams.video[0])
        for name in names:
            out.add_attachment(name, "application/x-truetype-font", b"font")
        out.metadata.update(
            {"title": "../../outside", "filename": "/tmp/outside", "comment": "$(touch outside)"}
        )
        title = {"title": "../outside"}
        out.set_chapters(
            [{"id": 1, "start": 0, "end": 90, "time_base": Fraction(1, 1000), "metadata": title}]
        )
        for packet in origin.demux(video=0):
            if packet.pts is not None:
                packet.stream = copy
                out.mux(packet)
    clip.unlink()
    source = source_of(film)
    seen = probe(source, rate=Fraction(25))
    encode_video((picture(i) for i in range(3)), target, source, seen, 0, 3)
    assert verify_video(target, source, seen, 0, 3, (64, 48)) == []
    with av.open(str(target)) as copied:
        assert [one.name for one in copied.streams.attachments] == names  # they did travel
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == [film, target]


def test_a_film_in_memory_is_opened_within_the_same_bounds() -> None:
    with pytest.raises(av.ArgumentError):
        container.open_container(io.BytesIO(LISTS["metadata alone"].encode()))


def test_a_negative_rate_in_a_damaged_header_is_not_believed() -> None:
    stream: Any = SimpleNamespace(average_rate=Fraction(-25), guessed_rate=None, time_base=Fraction(1, 1000))
    tally: Any = SimpleNamespace(pts=[0, 40, 80])
    assert probing._rate(stream, tally) == 25
