"""What a new job finds around it: names to paint, a painting to learn from, a GPU."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from pipeline.commands import surroundings
from pipeline.commands.surroundings import find_style, find_subject, has_gpu, look_around, unused


def lay(root: Path, *names: str) -> Path:
    """Files of those names; pictures that can be read, and videos, that nobody opens, without content."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg"):
            Image.new("RGB", (8, 6), "teal").save(path)
        elif name.endswith("/"):
            path.mkdir()
        else:
            path.touch()
    return root


FRAMES = [f"frames/{number:03}.png" for number in range(3)]
PHOTOS = [f"photos/{name}.jpg" for name in ("beach", "dinner")]
FOUND: dict[str, tuple[list[str], tuple[str, ...], str, str | None]] = {
    "one video": (["a.mp4", "notes.txt"], ("a.mp4",), "1 video", None),
    "a few videos": (["a10.mp4", "a9.mov"], ("a9.mov", "a10.mp4"), "2 videos", None),
    "many videos": ([f"{n}.mp4" for n in range(4)] + ["x.MOV"], ("*.MOV", "*.mp4"), "5 videos", None),
    "many videos, and one called as a pattern": (
        [f"{name}.mp4" for name in "*abcd"], tuple(f"{name}.mp4" for name in "*abcd"), "5 videos", None,
    ),
    "one video below": (["clips/a.mp4"], ("clips/a.mp4",), "1 video", None),
    "a folder of videos": (["clips/a.mp4", "clips/b.mp4"], ("clips/",), "2 videos", None),
    "two folders of videos": (
        ["a/1.mp4", "a/2.mp4", "b/1.mp4"], ("a/", "b/1.mp4"), "3 videos", None
    ),
    "videos here before those below": (["a.mp4", "clips/b.mp4"], ("a.mp4",), "1 video", None),
    "a picture beside a video": (["a.mp4", "monet.jpg"], ("a.mp4",), "1 video", "monet.jpg"),
    "two pictures beside a video": (["a.mp4", "monet.jpg", "me.jpg"], ("a.mp4",), "1 video", None),
    "a picture beside videos below": (
        ["clips/a.mp4", "clips/b.mp4", "clips/monet.jpg"], ("clips/*.mp4",), "2 videos", "clips/monet.jpg",
    ),
    "a folder of brackets with both": (
        ["c[1]/a.mp4", "c[1]/b.mp4", "c[1]/x.jpg"], ("c[[]1]/*.mp4",), "2 videos", "c[1]/x.jpg",
    ),
    "a folder for styles": (
        ["a.mp4", "me.jpg", "Paintings/b.png", "Paintings/a.png"], ("a.mp4",), "1 video", "Paintings/a.png",
    ),
    "a video in a folder for styles, and nothing else": (
        ["Style/a.png", "Style/b.mp4"], ("Style/b.mp4",), "1 video", "Style/a.png",
    ),
    "a video in a folder for styles, and a picture": (
        ["art/a.png", "art/b.mp4", "me.jpg"], ("me.jpg",), "1 picture", "art/a.png",
    ),
    "a broken painting is passed over": (
        ["a.mp4", "art/a.webp", "art/b.png"], ("a.mp4",), "1 video", "art/b.png",
    ),
    "a part is no art": (["part/a.mp4", "part/b.jpg"], ("part/a.mp4",), "1 video", "part/b.jpg"),
    "a sequence": (FRAMES, ("frames/",), "3 numbered pictures", None),
    "a folder of photos": (PHOTOS, ("photos/",), "2 pictures", None),
    "photos and a painting": ([*PHOTOS, "monet.png"], ("photos/",), "2 pictures", "monet.png"),
    "photos, and among them a painting that says so": (
        [*PHOTOS, "photos/style.jpg"], tuple(PHOTOS), "2 pictures", "photos/style.jpg",
    ),
    "a painting that says so": (["me.jpg", "style.png"], ("me.jpg",), "1 picture", "style.png"),
    "photos here": (
        [*(f"{name}.jpg" for name in "abcd"), "e.png", "paintings/x.png"],
        ("*.jpg", "*.png"), "5 pictures", "paintings/x.png",
    ),
    "one picture": (["me.jpg"], ("me.jpg",), "1 picture", None),
    "what is hidden or an output": (
        [".trash/a.mp4", "out/.stylize/x", "out/b.mp4", ".c.mp4", "photos/a.jpg"], ("photos/a.jpg",), "1 picture", None,
    ),
    "a folder with an output in it": (
        ["clips/a.mp4", "clips/b.mp4", "clips/out/.stylize/x", "clips/out/a.mp4"], ("clips/*.mp4",), "2 videos", None,
    ),
    "what lies deeper": (["a/b/c.mp4", "photos/a.jpg"], ("photos/a.jpg",), "1 picture", None),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_there_is_to_paint_and_to_learn_from(name: str, tmp_path: Path) -> None:
    files, names, what, style = FOUND[name]
    around = look_around(lay(tmp_path, *files))
    subject = find_subject(around)
    assert subject is not None
    assert (subject.names, subject.what) == (names, what)
    assert find_style(tmp_path, around, subject) == style


@pytest.mark.parametrize("files", [[], ["notes.txt", "empty/"], ["paintings/a.png"]])
def test_where_nothing_is_to_be_painted_nothing_is_found(files: list[str], tmp_path: Path) -> None:
    assert find_subject(look_around(lay(tmp_path, *files))) is None


def test_a_folder_that_cannot_be_searched_is_as_if_empty(tmp_path: Path) -> None:
    assert find_subject(look_around(tmp_path / "nowhere")) is None


def test_a_name_that_no_yaml_can_hold_is_left_out(tmp_path: Path) -> None:
    lay(tmp_path, "\udcff.mp4", "~/a.mp4", "clips/b.mp4")
    found = find_subject(look_around(tmp_path))
    assert found is not None
    assert found.names == ("clips/b.mp4",)


def test_links_lead_where_they_lead_and_those_in_a_circle_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "gone.mp4").symlink_to("nowhere.mp4")
    lay(tmp_path, "far/film.bin")
    (tmp_path / "a.mp4").symlink_to("far/film.bin")
    found = find_subject(look_around(tmp_path))
    assert found is not None
    assert found.names == ("a.mp4",)


def test_no_more_is_looked_at_than_a_few_thousand_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "_MOST_NAMES", 3)
    monkeypatch.setattr(surroundings, "_MOST_FOLDERS", 2)
    lay(tmp_path, "a/1.mp4", "b/1.mp4", "c/1.mp4", *(f"a/x{number}.mp4" for number in range(9)))
    here, *below = look_around(tmp_path)
    assert [one.below for one in below] == ["a/", "b/"]
    assert len(below[0].videos) == 3
    assert here.videos == ()


def test_a_name_is_counted_up_until_it_is_free(tmp_path: Path) -> None:
    assert unused(tmp_path, "out") == "out"
    lay(tmp_path, "out/", "swirl.png")
    (tmp_path / "out-2").symlink_to("nowhere")
    assert unused(tmp_path, "out") == "out-3"
    assert unused(tmp_path, "swirl", ".png") == "swirl-2.png"
    assert unused(tmp_path / "nowhere", "out") == "out"


class Driver:
    """CUDA's driver, as far as it is asked."""

    def __init__(self, error: int, gpus: int) -> None:
        self._error, self._gpus = error, gpus

    def cuInit(self, flags: int) -> int:  # noqa: N802 (CUDA's name)
        return self._error

    def cuDeviceGetCount(self, found: SimpleNamespace) -> int:  # noqa: N802
        found._obj.value = self._gpus
        return self._error


@pytest.mark.parametrize(
    ("error", "gpus", "torch", "expected"),
    [(0, 2, "2.9.0", True), (0, 2, "2.9.0+cpu", False), (0, 0, "2.9.0", False), (100, 1, "2.9.0", False)],
)
def test_a_gpu_is_one_that_the_driver_and_torch_know(
    error: int, gpus: int, torch: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(error, gpus))
    monkeypatch.setattr(surroundings, "version", lambda name: torch)
    assert has_gpu() is expected


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert has_gpu() is False
