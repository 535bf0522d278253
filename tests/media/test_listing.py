"""The listing as a stream: links, odd files, odd names, names that are taken, and what it does not look at."""

from __future__ import annotations

import os
import socket
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.media import listing, sources, walking
from pipeline.media.listing import Entry, Item, Refused, Skipped, list_inputs
from pipeline.media.naming import Hashes, Names, numbered
from pipeline.media.sources import Source
from tests.media.test_sources import touch, write_pictures


def stream(tmp_path: Path, *inputs: str | Path, folders: Any = "auto") -> Iterator[Item]:
    return list_inputs(inputs or [tmp_path / "in"], folders=folders, exclude=tmp_path / "out")


def names(items: Iterator[Item]) -> list[str]:
    return [item.name for item in items if isinstance(item, Entry | Source)]


def refused(items: Iterator[Item]) -> dict[str, str]:
    return {item.name: item.reason for item in items if isinstance(item, Refused)}


def test_an_entry_has_the_size_and_the_time_of_its_file(tmp_path: Path) -> None:
    touch(tmp_path / "in/a/x.HEIC")
    path = tmp_path / "in/a/x.HEIC"
    path.write_bytes(b"12345")
    os.utime(path, ns=(0, 1_234_567_891))
    assert list(stream(tmp_path)) == [Entry(path, "a/x.HEIC", 5, 1_234_567_891)]


@pytest.mark.parametrize(
    "suffix", ["jpg", "jpe", "jfif", "mpo", "heic", "heif", "hif", "avif", "tif", "bmp", "webp"]
)
def test_pictures_are_known_by_their_suffix_in_either_case(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path / f"in/a.{suffix}", tmp_path / f"in/b.{suffix.upper()}")
    assert names(stream(tmp_path)) == [f"a.{suffix}", f"b.{suffix.upper()}"]


def test_files_come_sorted_before_the_folders_beside_them(tmp_path: Path) -> None:
    touch(*(tmp_path / "in" / name for name in ("b/1.jpg", "a/2.jpg", "z.jpg", "a.mp4", "c.jpg")))
    assert names(stream(tmp_path)) == ["a.mp4", "c.jpg", "z.jpg", "a/2.jpg", "b/1.jpg"]


def test_nothing_is_asked_of_files_before_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(
        *(tmp_path / f"in/{i:03d}.jpg" for i in range(100)),
        tmp_path / "in/later/x.jpg",
        tmp_path / "in/y.jpg",
    )
    asked: list[str] = []

    real = os.stat

    def stat(path: Any, **options: Any) -> os.stat_result:
        asked.append(str(path))
        return real(path, **options)

    monkeypatch.setattr(walking.os, "stat", stat)
    assert names(islice(stream(tmp_path), 3)) == ["000.jpg", "001.jpg", "002.jpg"]
    inside = [path for path in asked if path.startswith(f"{tmp_path}/in/")]
    assert len(inside) == 3


def test_no_header_is_read_where_the_names_are_no_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "in", ["1.png", "2.png", "3.png", "5.png"])

    def never(*_: Any) -> Any:
        raise AssertionError("a header is read")

    monkeypatch.setattr(sources.Image, "open", never)
    assert names(stream(tmp_path)) == ["1.png", "2.png", "3.png", "5.png"]


def test_headers_are_read_up_to_the_first_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "in", ["1.png"], size=(9, 9))
    write_pictures(tmp_path / "in", [f"{i}.png" for i in range(2, 30)])
    opened: list[Path] = []
    real = sources.open_limited
    monkeypatch.setattr(sources, "open_limited", lambda path: opened.append(path) or real(path))
    assert len(names(stream(tmp_path))) == 29
    assert [path.name for path in opened] == ["1.png", "2.png"]


def test_a_sequence_comes_among_the_other_files_of_its_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in/shot", ["f1.png", "f2.png", "f3.png"])
    touch(tmp_path / "in/shot/a.mp4", tmp_path / "in/shot/notes.txt")
    kinds = [item.kind if isinstance(item, Source) else type(item).__name__ for item in stream(tmp_path)]
    assert kinds == ["video", "sequence", "Skipped"]


# --- links and odd files ---


def test_a_link_within_the_input_is_read_like_a_file(tmp_path: Path) -> None:
    touch(tmp_path / "in/a/x.jpg")
    (tmp_path / "in/link.jpg").symlink_to("a/x.jpg")
    (tmp_path / "root").symlink_to(tmp_path / "in")
    assert names(stream(tmp_path)) == ["link.jpg", "a/x.jpg"]
    assert names(stream(tmp_path, tmp_path / "root")) == ["link.jpg", "a/x.jpg"]


def test_a_link_out_of_the_input_is_refused_and_says_where_it_leads(tmp_path: Path) -> None:
    touch(tmp_path / "secret/x.jpg", tmp_path / "in/a.jpg", tmp_path / "in-other/y.jpg")
    (tmp_path / "in/out.jpg").symlink_to("../secret/x.jpg")
    (tmp_path / "in/near.jpg").symlink_to("../in-other/y.jpg")
    found = refused(stream(tmp_path))
    assert found["out.jpg"] == (
        f"is a link that leads out of the input, to {tmp_path}/secret/x.jpg; "
        "name its target's folder as an input, or put the file itself there"
    )
    assert found.keys() == {"out.jpg", "near.jpg"}
    assert names(stream(tmp_path, tmp_path / "in/*.jpg")) == ["a.jpg"]


def test_broken_links_and_circles_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.jpg")
    (tmp_path / "in/gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "in/p.jpg").symlink_to("q.jpg")
    (tmp_path / "in/q.jpg").symlink_to("p.jpg")
    (tmp_path / "in/loop").symlink_to(".")
    found = refused(stream(tmp_path))
    assert found["gone.jpg"].startswith("is a link to nowhere.jpg, which is not there")
    assert found["p.jpg"].startswith("is a link that leads in a circle")
    assert found.keys() == {"gone.jpg", "p.jpg", "q.jpg"}
    assert names(stream(tmp_path)) == ["a.jpg"]


def test_a_link_into_the_output_folder_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "out/x.jpg")
    (tmp_path / "link.jpg").symlink_to("out/x.jpg")
    found = list(list_inputs([tmp_path], folders="auto", exclude=tmp_path / "out"))
    assert names(iter(found)) == ["a.jpg"]
    assert "leads into the output folder" in refused(iter(found))["link.jpg"]


def test_a_link_that_the_person_names_is_followed(tmp_path: Path) -> None:
    touch(tmp_path / "secret/x.jpg")
    (tmp_path / "link.jpg").symlink_to("secret/x.jpg")
    assert names(stream(tmp_path, tmp_path / "link.jpg")) == ["link.jpg"]


def test_a_sequence_holds_no_frame_from_outside(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", ["f1.png", "f2.png", "f3.png"])
    write_pictures(tmp_path / "secret", ["f4.png"])
    (tmp_path / "in/f4.png").symlink_to("../secret/f4.png")
    assert names(stream(tmp_path)) == ["f1.png", "f2.png", "f3.png"]
    (chain,) = (item for item in stream(tmp_path, folders="sequence") if isinstance(item, Source))
    assert [path.name for path in chain.files] == ["f1.png", "f2.png", "f3.png"]


def test_what_is_no_regular_file_is_skipped_and_never_opened(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.jpg")
    os.mkfifo(tmp_path / "in/fifo.gif")  # to open one waits for ever
    (tmp_path / "in/null.png").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "in/s.jpg"))  # the name of a socket has at most 107 bytes
        found = list(stream(tmp_path))
    assert {item.path.name for item in found if isinstance(item, Skipped)} == {
        "fifo.gif",
        "null.png",
        "s.jpg",
    }
    assert names(iter(found)) == ["a.jpg"]


def test_a_pipe_that_the_person_names_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    with pytest.raises(ConfigError, match=r"fifo\.jpg is neither a file nor a folder"):
        list(stream(tmp_path, tmp_path / "fifo.jpg"))


def test_a_folder_that_cannot_be_searched_is_refused_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "in/a/x.jpg", tmp_path / "in/b/y.jpg")
    real = os.scandir

    def scandir(path: str) -> Any:  # root may read everything
        if path.rstrip("/").endswith("in/a"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(walking.os, "scandir", scandir)
    found = list(stream(tmp_path))
    assert names(iter(found)) == ["b/y.jpg"]
    assert refused(iter(found))["a"].startswith("the folder cannot be searched: Permission denied")


def test_a_file_that_vanishes_on_the_way_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.jpg", tmp_path / "in/b.jpg")
    items = stream(tmp_path)
    next(items)
    (tmp_path / "in/b.jpg").unlink()
    assert refused(items) == {"b.jpg": "cannot be read: No such file or directory"}


def test_the_output_folder_is_not_searched_wherever_it_lies(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.jpg", tmp_path / "in/deep/out/b.jpg", tmp_path / "in/deep/outer/c.jpg")
    (tmp_path / "alias").symlink_to(tmp_path / "in")
    for exclude in (tmp_path / "in/deep/out", tmp_path / "alias/deep/out"):
        for given in (tmp_path / "in", tmp_path / "alias", tmp_path / "in/**/*.jpg"):
            found = list_inputs([given], folders="auto", exclude=exclude)
            assert names(found) == ["a.jpg", "deep/outer/c.jpg"]


# --- patterns ---


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg"]),
        ("**/*.jpg", ["a.jpg", "x/b.jpg", "x/y/c.jpg"]),
        ("x*", ["x/b.jpg", "x/y/c.jpg"]),
        ("x*/**", ["b.jpg", "y/c.jpg"]),
        ("**/y/*", ["x/y/c.jpg"]),
        (".*/*.jpg", [".h/d.jpg"]),
        ("[!a].jpg", []),
    ],
)
def test_a_pattern_is_matched_folder_by_folder(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    touch(*(tmp_path / "in" / name for name in ("a.jpg", "x/b.jpg", "x/y/c.jpg", ".h/d.jpg", "x/.h/e.jpg")))
    if expected:
        found = [item.path for item in stream(tmp_path, tmp_path / "in" / pattern) if isinstance(item, Entry)]
        prefix = "x/" if pattern == "x*/**" else ""
        assert [path.relative_to(tmp_path / "in").as_posix() for path in found] == [
            prefix + e for e in expected
        ]
    else:
        with pytest.raises(ConfigError, match="matches no file"):
            list(stream(tmp_path, tmp_path / "in" / pattern))


# --- names ---


def test_names_that_differ_by_case_or_by_composition_are_numbered(tmp_path: Path) -> None:
    composed, apart = unicodedata.normalize("NFC", "é.jpg"), unicodedata.normalize("NFD", "é.jpg")
    touch(*(tmp_path / "in" / name for name in ("A.jpg", "a.jpg", composed, apart, "B/x.jpg", "b/X.jpg")))
    found = names(stream(tmp_path))
    assert sorted(found) == sorted(
        ["A.jpg", "a-2.jpg", apart, composed.replace(".jpg", "-2.jpg"), "B/x.jpg", "b/X-2.jpg"]
    )


def test_a_sequence_and_a_film_of_one_name_are_told_apart(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in/shot", ["1.png", "2.png", "3.png"])
    touch(tmp_path / "in/shot.mp4")
    assert names(stream(tmp_path)) == ["shot.mp4", "shot-2.mp4"]


def test_odd_names_are_kept_and_can_be_printed_where_they_are_refused(tmp_path: Path) -> None:
    odd = os.fsdecode(b"in/caf\xe9.jpg")
    touch(tmp_path / "in/line\nbreak.jpg", tmp_path / odd)
    (tmp_path / "in/gone\n\x1b[31m.jpg").symlink_to(os.fsdecode(b"\xff.jpg"))
    found = list(stream(tmp_path))
    assert names(iter(found)) == [odd.removeprefix("in/"), "line\nbreak.jpg"]
    assert all(item.path.exists() for item in found if isinstance(item, Entry))
    ((name, reason),) = refused(iter(found)).items()
    assert name == "gone\\n\\x1b[31m.jpg"
    assert "\\udcff.jpg" in reason
    assert (name + reason).isprintable()


def test_a_file_that_two_inputs_lead_to_comes_once(tmp_path: Path) -> None:
    write_pictures(tmp_path / "in/shot", ["1.png", "2.png", "3.png"])
    touch(tmp_path / "in/a.jpg")
    given = (tmp_path / "in/a.jpg", tmp_path / "in", tmp_path / "in/*.jpg", tmp_path / "in/shot")
    assert names(stream(tmp_path, *given)) == ["a.jpg", "shot.mp4"]


def test_an_input_that_does_not_exist_is_told_before_the_others_are_listed(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.jpg")
    with pytest.raises(ConfigError, match=r"missing\.mp4 does not exist"):
        next(stream(tmp_path, tmp_path / "in", tmp_path / "missing.mp4"))


def test_an_input_of_which_everything_is_refused_says_why(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/gone.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(ConfigError, match=r"1 refused, first: gone\.jpg is a link to nowhere\.jpg"):
        list(stream(tmp_path))


def test_refusals_are_part_of_the_listing(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.jpg", tmp_path / "in/b.txt")
    (tmp_path / "in/gone.jpg").symlink_to("nowhere.jpg")
    found = listing.list_sources([tmp_path / "in"], folders="auto", exclude=tmp_path / "out")
    assert [(one.kind, one.name) for one in found.sources] == [("still", "a.jpg")]
    assert [one.name for one in found.refused] == ["gone.jpg"]
    assert found.skipped == (tmp_path / "in/b.txt",)


def test_hashes_find_what_was_added_and_nothing_else() -> None:
    hashes = Hashes()
    assert all(hashes.add(f"{i}.jpg") for i in range(5000))
    assert not any(hashes.add(f"{i}.jpg") for i in range(5000))
    assert not any(f"{i}.png" in hashes for i in range(5000))


def test_thousands_of_equal_names_are_numbered_in_a_few_looks_each() -> None:
    taken, looks = {"x.jpg"}, 0

    def is_taken(name: str) -> bool:
        nonlocal looks
        looks += 1
        return name in taken

    for _ in range(3000):
        taken.add(numbered("x.jpg", is_taken))
    assert len(taken) == 3001
    assert looks < 3000 * 100
    kept = Names()
    assert [kept.unique("x.jpg") for _ in range(70)][-1] == "x-70.jpg"
