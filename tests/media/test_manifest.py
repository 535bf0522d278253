"""Manifests: what a line may say, what is wrong with one, and that nothing in one does harm."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.media.listing import Entry, Item, Own, Refused, list_inputs
from pipeline.media.manifest import MAX_LINE_BYTES
from pipeline.media.sources import Source
from pipeline.settings.sections import StyleImage
from tests.media.test_sources import touch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures below the manifest's folder and beside it, a film, a style and a mask."""
    touch(*(tmp_path / "m" / name for name in ("a.jpg", "b/c.png", "film.mp4", "b/style.png", "mask.png")))
    touch(tmp_path / "else/a.jpg", tmp_path / "else/d.jpg")
    return tmp_path / "m"


def read(folder: Path, text: str | bytes, name: str = "photos.csv") -> list[Item]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(list_inputs([path], folders="auto", exclude=folder.parent / "out"))


def lines(*objects: Any) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in objects)


def named(items: list[Item]) -> list[str]:
    return [item.name for item in items if isinstance(item, Entry | Source)]


def reasons(items: list[Item]) -> dict[str, str]:
    return {item.name: item.reason for item in items if isinstance(item, Refused)}


def test_a_line_names_a_picture_and_what_it_has_of_its_own(folder: Path) -> None:
    first, second = read(folder, "path,style,strength,mask\na.jpg,b/style.png,0.5,mask.png\nb/c.png,,,\n")
    assert isinstance(first, Entry)
    assert (first.path, first.name) == (folder / "a.jpg", "a.jpg")
    style = (StyleImage(image=folder / "b/style.png"),)
    assert first.own == Own(style, 0.5, folder / "mask.png")
    assert isinstance(second, Entry)
    assert (second.name, second.own) == ("b/c.png", None)


@pytest.mark.parametrize("name", ["photos.jsonl", "photos.NDJSON"])
def test_json_lines_take_the_list_of_styles_that_a_job_takes(folder: Path, name: str) -> None:
    styles = [{"image": "b/style.png", "weight": 2}, {"image": "b/style.png", "mask": "mask.png"}]
    (one,) = read(folder, lines({"path": "a.jpg", "style": styles, "strength": 0, "mask": None}), name)
    assert isinstance(one, Entry)
    assert one.own == Own(
        (
            StyleImage(image=folder / "b/style.png", weight=2.0),
            StyleImage(image=folder / "b/style.png", mask=folder / "mask.png"),
        ),
        0.0,
        None,
    )


def test_marks_line_ends_empty_lines_and_columns_in_any_order_are_no_matter(folder: Path) -> None:
    text = b"\xef\xbb\xbf\r\nstrength, path\r\n\r\n1e-1, a.jpg\r\n\n,b/c.png"
    first, second = read(folder, text)
    assert isinstance(first, Entry)
    assert first.own == Own(strength=0.1)
    assert named([first, second]) == ["a.jpg", "b/c.png"]
    assert named(read(folder, b"\xef\xbb\xbf" + lines({"path": "a.jpg"}).encode(), "p.jsonl")) == ["a.jpg"]


def test_the_tree_is_mirrored_and_what_lies_elsewhere_keeps_its_name_alone(folder: Path) -> None:
    there = folder.parent / "else"
    text = f"path\nb/c.png\n../else/a.jpg\na.jpg\n{there}/d.jpg\n{there}/d.jpg\nb/../a.jpg\n"
    assert named(read(folder, text)) == ["b/c.png", "a.jpg", "a-2.jpg", "d.jpg", "d-2.jpg", "a-3.jpg"]


def test_hidden_folders_are_not_mirrored_since_results_have_their_own(folder: Path) -> None:
    touch(folder / ".stylize/x.jpg")
    assert named(read(folder, "path\n.stylize/x.jpg\n")) == ["x.jpg"]


def test_a_link_is_followed_since_a_person_named_it(folder: Path) -> None:
    (folder / "link.jpg").symlink_to("../else/d.jpg")
    assert named(read(folder, "path\nlink.jpg\n")) == ["link.jpg"]


def test_a_film_is_a_source_and_has_no_style_of_its_own(folder: Path) -> None:
    film, bad = read(folder, "path,strength\nfilm.mp4,\nfilm.mp4,2\n")
    assert isinstance(film, Source)
    assert film.kind == "video"
    assert isinstance(bad, Refused)
    assert "video.shots" in bad.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",,", "path is missing"),
        ("gone.jpg,,", "gone.jpg does not exist"),
        ("b,,", "b is a folder"),
        ("a.jpg,gone.png,", "style.0.image must be an image; "),
        ("a.jpg,b,", "b is a folder"),
        ("a.jpg,,-1", "strength must be a number from 0 up, got -1"),
        ("a.jpg,,nan", "strength must be a number from 0 up, got 'nan'"),
        ("a.jpg,,1e999", "strength must be a number from 0 up, got inf"),
        ("a.jpg,,1_0", "strength must be a number from 0 up, got '1_0'"),
        ("a.jpg,,1,2", "the line has 4 cells for 3 columns"),
        ('"a.jpg,,', "the line is no CSV"),
        ("a.jpg\0,,", "the line has a NUL byte"),
        (b"\xff.jpg,,", "got the byte 0xff"),
        ("photos.csv,,", "photos.csv is neither video nor picture"),
        ("/dev/null,,", "/dev/null is no regular file"),
        ("x" * 300 + ".jpg,,", "File name too long"),
        ("x" * MAX_LINE_BYTES, "the line is longer than 1048576 bytes"),
        ("../out/x.jpg,,", "lies in the output folder"),
    ],
)
def test_a_bad_line_of_csv_is_refused_and_stops_no_other(
    folder: Path, line: str | bytes, reason: str
) -> None:
    touch(folder.parent / "out/x.jpg")
    line = line.encode() if isinstance(line, str) else line
    found = read(folder, b"path,style,strength\na.jpg\n" + line + b"\nb/c.png,,\n")
    assert named(found) == ["a.jpg", "b/c.png"]
    ((place, said),) = reasons(found).items()
    assert place == "photos.csv:3"
    assert reason in said


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "the line is no JSON"),
        ("[" * 100_000, "the line is no JSON"),
        ("1" * 5000, "the line is no JSON"),
        ('["a.jpg"]', "the line must be an object"),
        ('{"path": 1}', "path must be a path, got 1"),
        ('{"path": "a\\u0000.jpg"}', "with a NUL"),
        ('{"path": "\\ud800.jpg"}', "which is no name of a file"),
        (
            '{"path": "a.jpg", "stlye": "x"}',
            "'stlye' is no key, only path, style, strength, mask; did you mean style?",
        ),
        ('{"path": "a.jpg", "strength": NaN}', "strength must be a number from 0 up, got nan"),
        ('{"path": "a.jpg", "strength": true}', "strength must be a number from 0 up, got true"),
        ('{"path": "a.jpg", "strength": 1' + "0" * 400 + "}", "strength must be a number from 0 up"),
        ('{"path": "a.jpg", "style": []}', "style must be a path, or a list"),
        ('{"path": "a.jpg", "style": 7}', "style must be a path, or a list"),
        ('{"path": "a.jpg", "style": [{"image": "mask.png", "wieght": 1}]}', "did you mean style.0.weight?"),
        ('{"path": "a.jpg", "style": [{"image": "gone.png"}]}', "gone.png does not exist"),
        ('{"path": "a.jpg", "mask": ["x"]}', "mask must be a path, got ['x']"),
    ],
)
def test_a_bad_line_of_json_is_refused_and_stops_no_other(folder: Path, line: str, reason: str) -> None:
    found = read(folder, f'{{"path": "b/c.png"}}\n{line}\n{{"path": "a.jpg"}}\n', "photos.jsonl")
    assert named(found) == ["b/c.png", "a.jpg"]
    ((place, said),) = reasons(found).items()
    assert place == "photos.jsonl:2"
    assert reason in said


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "path,stlye",
            r"no column 'stlye', only path, style, strength, mask; did you mean style\? \(.*csv:1\)",
        ),
        ("\n\npath,path", r"the column path is there 2 times; keep one of them \(.*csv:3\)"),
        ("style", "the column path is missing"),
        ("path;style", "no column 'path;style'"),
        (b"\xff\xfep\0a\0t\0h\0", "NUL byte"),
        (b"p\xe4th", "the header is wrong: .* got the byte 0xe4"),
        ('"path', "the header is wrong: the line is no CSV"),
        ("", "is empty; its first line must name columns: path, style, strength, mask"),
    ],
)
def test_a_broken_header_is_an_error_of_the_config(folder: Path, header: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(folder, (header.encode() if isinstance(header, str) else header) + b"\n")


def test_a_manifest_without_a_usable_line_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"1 refused, first: photos\.csv:2 .*gone\.jpg does not exist"):
        read(folder, "path\ngone.jpg\n")


def test_what_a_folder_holds_and_a_manifest_names_again_is_painted_twice(folder: Path) -> None:
    (folder / "photos.csv").write_text("path,strength\na.jpg,2\n")
    given = [folder / "a.jpg", folder / "photos.csv"]
    found = list(list_inputs(given, folders="auto", exclude=folder.parent / "out"))
    assert named(found) == ["a.jpg", "a-2.jpg"]


def test_a_manifest_in_a_folder_that_is_searched_is_skipped(folder: Path) -> None:
    (folder / "photos.csv").write_text("path\nb/c.png\n")
    found = list(list_inputs([folder], folders="auto", exclude=folder.parent / "out"))
    assert "photos.csv" not in named(found)
    assert len(named(found)) == 5


def test_lines_are_read_as_they_are_asked_for(folder: Path) -> None:
    pipe = folder / "photos.csv"
    pipe.write_text("path\n" + "a.jpg\n" * 100_000)
    items: Iterator[Item] = list_inputs([pipe], folders="auto", exclude=folder.parent / "out")
    assert [next(items) for _ in range(2)]  # the file is cut while it is read, so that the rest is never seen
    os.truncate(pipe, 0)
    assert sum(1 for _ in items) < 99_000


# --- whatever the bytes are ---

_CALM = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_PATHS = st.one_of(
    st.sampled_from(
        ["a.jpg", "b/c.png", "../else/d.jpg", "b/../a.jpg", "./a.jpg", "b//c.png", "~/x.jpg", "~x/a"]
    ),
    st.lists(st.sampled_from(["..", ".", "", "b", "a.jpg", "~", "\0", "\n", "é"]), max_size=6).map("/".join),
    st.text(max_size=30),
)


def check(found: list[Item]) -> None:
    taken = set()
    for item in found:
        assert isinstance(item, Entry | Source | Refused)
        if isinstance(item, Refused):
            assert (item.name + item.reason).isprintable()
            continue
        path = PurePosixPath(item.name)
        assert item.name and not path.is_absolute()
        assert not {"..", "."} & set(path.parts)
        assert item.path.is_absolute()
        taken.add(item.name)
    assert len(taken) == sum(isinstance(item, Entry | Source) for item in found)


@given(data=st.binary(max_size=200), name=st.sampled_from(["x.csv", "x.jsonl"]), has_header=st.booleans())
@_CALM
def test_random_bytes_are_entries_refusals_or_an_error_of_the_config(
    folder: Path, data: bytes, name: str, has_header: bool
) -> None:
    head = b"path,style,strength,mask\n" if has_header and name == "x.csv" else b""
    with suppress(ConfigError):
        check(read(folder, head + data, name))


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | _PATHS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["image", "weight", "x"]), inner)
    ),
    max_leaves=5,
)


_ROWS = st.fixed_dictionaries({"path": _PATHS}, optional=dict.fromkeys(("style", "strength", "mask"), _JSON))


@given(rows=st.lists(_ROWS))
@_CALM
def test_no_name_escapes_from_the_output_folder(folder: Path, rows: list[dict[str, Any]]) -> None:
    check(read(folder, lines({"path": "a.jpg"}, *rows), "x.jsonl"))


def test_a_style_whose_name_is_not_utf_8_is_refused_in_its_line(folder: Path) -> None:
    items = read(folder, lines({"path": "a.jpg", "style": "\udcff.png"}, {"path": "a.jpg"}), "photos.jsonl")
    assert named(items) == ["a.jpg"]
    assert "style must be a path" in reasons(items)["photos.jsonl:1"]


def test_a_line_that_is_nested_too_deeply_is_refused(folder: Path) -> None:
    deep = '{"path": "a.jpg", "style": ' + "[" * 940 + "]" * 940 + "}\n"
    items = read(folder, deep + '{"path": "a.jpg"}\n', "photos.jsonl")
    assert named(items) == ["a.jpg"]
    assert len(reasons(items)) == 1


def test_what_is_said_of_a_line_is_short_and_on_one_line(folder: Path) -> None:
    items = read(folder, lines({"path": "x\n" * 9000}, {"path": "a.jpg"}), "photos.jsonl")
    (reason,) = reasons(items).values()
    assert len(reason) < 1500
    assert reason.isprintable()


def test_a_header_of_many_unknown_columns_is_refused_at_once(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(folder, ",".join(f"c{index}" for index in range(50_000)) + "\n")
    assert len(str(caught.value).split("\n")) == 20
