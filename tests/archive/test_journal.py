"""The journal's lines that tell of photographs."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from pipeline.archive.journal import aside, is_known, is_last, pictures_in, record_of
from pipeline.archive.table import Row
from pipeline.durable import line_of
from pipeline.records import PictureRecord
from tests.archive.makers import page
from tests.plans import record


def line(one: PictureRecord) -> bytes:
    return line_of(asdict(one))


def row(one: PictureRecord, **changes: object) -> Row:
    """What the table has of a picture."""
    names = (
        "output",
        "look",
        "source_bytes",
        "source_mtime_ns",
        "source_digest",
        "bytes",
        "mtime_ns",
        "digest",
    )
    more = ("width_px", "height_px", "pages", "notes")
    values = {name: getattr(one, name) for name in (*names, *more)}
    return Row(**{"id": 1, "name": one.source, "written_ns": one.mtime_ns, **values, **changes})


def test_pages_that_stand_together_are_a_picture_and_lines_of_films_are_none() -> None:
    two = [page("two.tif", number, pages=2) for number in range(2)]
    found = pictures_in([line(page("a.jpg")), line_of(asdict(record(0))), *map(line, two)])
    assert list(found) == [(page("a.jpg"),), tuple(two)]


def test_what_was_cut_off_is_no_picture() -> None:
    first, torn = page("cut.tif", 0, pages=2), line(page("torn.jpg"))
    assert list(pictures_in([line(first), line(page("a.jpg")), torn[:-40]])) == [(page("a.jpg"),)]
    assert list(pictures_in([torn.rstrip(b"\n")])) == [], "the rest may yet come"


def test_a_damaged_line_has_no_record() -> None:
    assert record_of(line(page("a.jpg"))) == page("a.jpg")
    assert record_of(b'["look"]\n') is record_of(b"[" * 10**5) is None


def test_a_line_is_known_by_its_results_date_or_else_by_its_bytes() -> None:
    one = page("a.jpg")
    assert is_known(row(one), one) and not is_known(None, one)
    assert not is_known(row(one, written_ns=31), one)
    undated = replace(one, mtime_ns=0)
    assert is_known(row(one), undated) and not is_known(row(one, look="new"), undated)


def test_the_last_line_of_a_picture_is_the_one_that_the_table_has() -> None:
    one = page("a.jpg")
    assert is_last(row(one), one) and not is_last(None, one)
    assert not is_last(row(one, written_ns=31), one), "painted alike again"
    assert is_last(row(one, mtime_ns=31), one), "only touched"


def test_a_journal_is_set_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "token-w.jsonl"
    path.touch()
    moved = aside(path)
    assert (moved.name, moved.exists(), path.exists()) == ("left-token-w.jsonl", True, False)
    assert aside(moved) == moved
