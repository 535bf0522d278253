"""Which files become which sources, and what their outputs are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ConfigError
from pipeline.media.listing import Listing, list_sources
from pipeline.media.sources import look_like_frames


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write_pictures(folder: Path, names: list[str], size: tuple[int, int] = (8, 6), **save: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.zeros((size[1], size[0], 3), np.uint8)).save(folder / name, **save)


def listed(tmp_path: Path, *inputs: str | Path, folders: Any = "auto") -> Listing:
    return list_sources(inputs or [tmp_path], folders=folders, exclude=tmp_path / "out")


def names(listing: Listing) -> list[str]:
    return [source.name for source in listing.sources]


def test_a_folder_is_searched_recursively_and_its_tree_is_mirrored(tmp_path: Path) -> None:
    touch(tmp_path / "b.mp4", tmp_path / "a/deep/c.MOV", tmp_path / "a/x.webm")
    assert names(listed(tmp_path)) == ["b.mp4", "a/x.webm", "a/deep/c.MOV"]


def test_hidden_entries_and_the_output_folder_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / ".b.mp4", tmp_path / ".hidden/c.mp4", tmp_path / "out/a.mp4")
    assert names(listed(tmp_path)) == ["a.mp4"]
    assert names(listed(tmp_path, str(tmp_path / "**/*.mp4"))) == ["a.mp4"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere/b.mp4", tmp_path / "in/a.mp4")
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert names(listed(tmp_path, tmp_path / "in")) == ["a.mp4"]
    assert names(listed(tmp_path, str(tmp_path / "in/**/*.mp4"))) == ["a.mp4"]


def test_other_files_are_listed_as_skipped(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "notes.txt")
    assert listed(tmp_path).skipped == (tmp_path / "notes.txt",)


def test_a_file_named_by_the_person_is_a_source_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path / "film.xyz")
    (source,) = listed(tmp_path, tmp_path / "film.xyz").sources
    assert (source.kind, source.name, source.files) == ("video", "film.xyz.mkv", (tmp_path / "film.xyz",))


def test_a_glob_mirrors_the_tree_below_its_fixed_part(tmp_path: Path) -> None:
    touch(tmp_path / "x/1/a.mp4", tmp_path / "x/2/b.mp4", tmp_path / "y/c.mp4")
    assert names(listed(tmp_path, str(tmp_path / "x/*/*.mp4"))) == ["1/a.mp4", "2/b.mp4"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    touch(tmp_path / "a[1].mp4", tmp_path / "a1.mp4")
    assert names(listed(tmp_path, tmp_path / "a[1].mp4")) == ["a[1].mp4"]


@pytest.mark.parametrize(
    ("suffix", "name"),
    [("avi", "a.avi.mkv"), ("wmv", "a.wmv.mkv"), ("mpg", "a.mpg.mkv"), ("webm", "a.webm"), ("ts", "a.ts")],
)
def test_containers_without_exact_timestamps_become_matroska(tmp_path: Path, suffix: str, name: str) -> None:
    touch(tmp_path / f"a.{suffix}")
    assert names(listed(tmp_path)) == [name]


def test_equal_names_of_two_inputs_are_numbered_in_order(tmp_path: Path) -> None:
    touch(tmp_path / "1/clip.mp4", tmp_path / "2/clip.mp4", tmp_path / "3/clip.avi", tmp_path / "4/clip.avi")
    inputs = [tmp_path / "1", tmp_path / "2", tmp_path / "3", tmp_path / "4"]
    assert names(listed(tmp_path, *inputs)) == ["clip.mp4", "clip-2.mp4", "clip.avi.mkv", "clip-2.avi.mkv"]


def test_a_file_that_two_inputs_lead_to_is_one_source(tmp_path: Path) -> None:
    touch(tmp_path / "clip.mp4")
    assert names(listed(tmp_path, tmp_path, tmp_path / "clip.mp4")) == ["clip.mp4"]


@pytest.mark.parametrize("entry", ["missing.mp4", "*.none", "empty"])
def test_an_input_that_leads_to_nothing_is_an_error_that_names_it(tmp_path: Path, entry: str) -> None:
    touch(tmp_path / "empty/readme.txt")
    with pytest.raises(ConfigError, match=str(tmp_path / entry).replace("*", r"\*")):
        listed(tmp_path, str(tmp_path / entry))


def test_numbered_pictures_of_one_size_are_a_sequence_and_the_guess_says_why(tmp_path: Path) -> None:
    write_pictures(tmp_path / "shot", [f"frame_{i:04d}.png" for i in (8, 9, 10, 11)])
    (source,) = listed(tmp_path).sources
    assert (source.kind, source.name, source.path) == ("sequence", "shot.mp4", tmp_path / "shot")
    assert source.guess == "4 files named frame_%04d.png, same size, no gaps"


def test_a_sequence_given_as_the_input_is_named_after_its_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path / "shot", ["1.png", "2.png", "3.png"])
    assert names(listed(tmp_path, tmp_path / "shot")) == ["shot.mp4"]


def test_the_pictures_of_a_sequence_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_pictures(tmp_path / "shot", [f"f{i}.png" for i in range(8, 12)])
    (source,) = listed(tmp_path).sources
    assert [path.name for path in source.files] == ["f8.png", "f9.png", "f10.png", "f11.png"]


def test_a_gap_two_pictures_or_two_names_are_no_sequence(tmp_path: Path) -> None:
    write_pictures(tmp_path / "gap", ["1.png", "2.png", "4.png"])
    write_pictures(tmp_path / "two", ["1.png", "2.png"])
    write_pictures(tmp_path / "names", ["a1.png", "b2.png", "c3.png"])
    assert {source.kind for source in listed(tmp_path).sources} == {"still"}


def test_pictures_of_different_sizes_are_no_sequence(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["1.png", "2.png"])
    write_pictures(tmp_path, ["3.png"], size=(9, 6))
    assert {source.kind for source in listed(tmp_path).sources} == {"still"}


def test_photos_of_a_camera_are_no_sequence(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271] = "Canon"
    write_pictures(tmp_path, ["IMG_1.jpg", "IMG_2.jpg"])
    write_pictures(tmp_path, ["IMG_3.jpg"], exif=exif)
    assert {source.kind for source in listed(tmp_path).sources} == {"still"}


def test_the_choice_of_the_person_overrides_the_guess(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a", ["1.png", "2.png", "3.png"])
    write_pictures(tmp_path / "b", ["x.png", "y10.png", "y9.png"])
    assert {source.kind for source in listed(tmp_path, folders="archive").sources} == {"still"}
    chains = listed(tmp_path, folders="sequence").sources
    assert [(source.kind, source.name, source.guess) for source in chains] == [
        ("sequence", "a.mp4", None),
        ("sequence", "b.mp4", None),
    ]
    assert [path.name for path in chains[1].files] == ["x.png", "y9.png", "y10.png"]


def test_the_listing_does_not_depend_on_the_order_of_creation(tmp_path: Path) -> None:
    for place, order in (("p", "abc"), ("q", "cba")):
        touch(*(tmp_path / place / f"{name}.mp4" for name in order))
    assert names(listed(tmp_path, tmp_path / "p")) == names(listed(tmp_path, tmp_path / "q"))


def test_a_damaged_avif_is_no_frame_of_a_sequence(tmp_path: Path) -> None:
    Image.new("RGB", (24, 16), "teal").save(tmp_path / "whole.avif")
    data = (tmp_path / "whole.avif").read_bytes().replace(b"iloc", b"free")
    (tmp_path / "torn.avif").write_bytes(data)
    assert look_like_frames([tmp_path / "whole.avif"])
    assert not look_like_frames([tmp_path / "torn.avif"])
