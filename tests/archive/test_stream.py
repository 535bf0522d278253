"""The stream: photographs are listed while others are painted, and never faster than is of use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.archive import stream as stream_module
from pipeline.archive.findings import Done, Finding, Planned
from pipeline.archive.index import PictureIndex
from pipeline.archive.looks import Looks
from pipeline.archive.stream import ENDLESS, Stream
from pipeline.errors import ConfigError
from pipeline.execute.events import BatchTodo, PictureFailed, PictureFinished
from pipeline.execute.job import Picture
from pipeline.media.listing import Refused, Skipped
from pipeline.media.sources import Source
from pipeline.workspace import Workspace
from tests.archive.makers import leave, lines, page, result
from tests.plans import JUDGES, config

FILM = Source("video", Path("/in/film.mp4"), "film.mp4", (Path("/in/film.mp4"),))
LARGE = (2000, 2000)  # a batch holds one


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "out")
    found.root.mkdir(parents=True)
    return found


def planned(name: str, size: tuple[int, int] = (64, 48), pages: int = 1, **changes: object) -> Planned:
    look = Looks(config(), JUDGES).of(None)
    return Planned(Picture(Path("/in", name), name, name, size, 1, 1, pages), look, size, **changes)  # type: ignore[arg-type]


@contextmanager
def streaming(
    space: Workspace, findings: Iterable[Finding], census: Iterable[object] | None = None
) -> Iterator[Stream]:
    looks = Looks(config(), JUDGES)
    with (
        PictureIndex(space, writable=True) as index,
        Stream(config(), space, index, looks, iter(findings), census) as stream,
    ):
        yield stream


def until(is_so: Callable[[], object], patience_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline_s, "this hangs"
        time.sleep(0.005)


def taken(stream: Stream, workers: int = 1) -> list[BatchTodo]:
    """All batches, as they come."""
    found: list[BatchTodo] = []
    deadline_s = time.monotonic() + 5
    while not stream.is_over:
        assert time.monotonic() < deadline_s, "this hangs"
        if (todo := stream.take(workers)) is not None:
            found.append(todo)
    return found


def names(todos: Iterable[BatchTodo]) -> list[str]:
    return [todo.job.pictures[index].name for todo in todos for index in todo.missing]


def listing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.endswith("(_list)")]


def test_every_picture_is_handed_out_once_and_batches_are_of_one_size(space: Workspace) -> None:
    sizes = [(64, 48), (48, 64), (64, 64)]
    given = [planned(f"{number}.jpg", sizes[number % 3]) for number in range(200)]
    with streaming(space, given) as stream:
        todos = taken(stream, workers=2)
    assert sorted(names(todos)) == sorted(one.picture.name for one in given)
    for todo in todos:
        assert len({todo.job.pictures[index].size for index in todo.missing}) == 1


def test_what_is_listed_is_counted(space: Workspace) -> None:
    with PictureIndex(space, writable=True) as index:
        index.add([result(space, "done.jpg")])
        row = index.get("done.jpg")
    assert row is not None
    given = [
        Done(row), planned("two.tif", pages=2, reasons=("it was changed",)), Refused("bad.jpg", "is empty"),
        Skipped(Path("/in/notes.txt")), FILM,
    ]  # fmt: skip
    with streaming(space, given) as stream:
        assert stream.films() == (FILM,)
        (todo,) = taken(stream)
        tally = stream.tally
        assert (tally.reused, tally.planned, tally.total, tally.listed) == (1, 2, 4, 3)
        assert [(one.source, one.error) for one in tally.failures] == [("bad.jpg", "is empty")]
        assert (tally.skipped, tally.skipped_count) == (["/in/notes.txt"], 1)
        assert tally.reasons == {"two.tif": ("it was changed",)}
        assert not stream.is_done
        records = tuple(page("two.tif", frame, pages=2) for frame in range(2))
        stream.note(PictureFinished(todo.job, 0, records))
        assert stream.is_done
        assert (tally.painted, tally.iterations) == (2, 4)
        assert tally.megapixel_iterations == pytest.approx(0.2)
        assert [row.name for row in stream.seen()] == ["done.jpg", "two.tif"]


def test_the_listing_never_runs_ahead_of_the_workers(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "WAITING", 3)
    listed: list[str] = []

    def findings() -> Iterator[Finding]:
        for number in range(12):
            listed.append(f"{number}.jpg")
            yield planned(f"{number}.jpg", LARGE)

    with streaming(space, findings()) as stream:
        until(lambda: len(listed) == 4)
        time.sleep(0.1)
        assert len(listed) == 4
        assert stream.waiting == ENDLESS
        assert stream.films(within_s=0.05) is None
        for count in range(1, 6):
            todo = stream.take()
            assert todo is not None
            until(lambda count=count: len(listed) == 4 + count)
        assert len(names(taken(stream))) == 12 - 5
    assert len(listed) == 12


def test_a_stream_that_is_closed_while_its_listing_waits_ends_at_once(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "WAITING", 2)
    listed: list[int] = []
    endless = (listed.append(number) or planned(f"{number}.jpg", LARGE) for number in range(10**9))
    with streaming(space, endless):
        until(lambda: len(listed) == 3)
        assert len(listing_threads()) == 1
    assert listing_threads() == []
    assert len(listed) <= 4


def test_films_are_known_without_anyone_taking_batches_once_all_is_listed(space: Workspace) -> None:
    with streaming(space, [*(planned(f"{n}.jpg", LARGE) for n in range(20)), FILM]) as stream:
        assert stream.films(within_s=5.0) == (FILM,)
        assert stream.waiting == 20


def test_workers_that_wait_get_what_there_is(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "HUNGRY_S", 0.0)
    go_on = threading.Semaphore(0)

    def findings() -> Iterator[Finding]:
        for number in range(100):
            yield planned(f"{number}.jpg")
            if number in (2, 3):
                go_on.acquire()

    with streaming(space, findings()) as stream:
        until(lambda: stream.tally.planned == 3)
        assert stream.take() is None
        go_on.release()
        until(lambda: stream.tally.planned == 4)
        todo = stream.take()
        assert todo is not None
        assert names([todo]) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
        assert not stream.is_over
        go_on.release()
        assert len(names(taken(stream))) == 96


def test_workers_that_do_not_wait_get_full_batches(space: Workspace) -> None:
    with streaming(space, (planned(f"{number}.jpg") for number in range(150))) as stream:
        stream.films()
        with stream._lock:
            sizes = [len(todo.missing) for todo in stream._ready]
    assert sizes == [64, 64, 22]


def test_at_the_end_the_workers_share_what_is_left(space: Workspace) -> None:
    with streaming(space, (planned(f"{number}.jpg") for number in range(40))) as stream:
        stream.films()
        parts = [stream.take(4) for _ in range(3)]
        sizes = [len(part.missing) for part in parts if part is not None]
        assert sizes == [5, 5, 4]  # of 40, 35 and 30, an eighth each
        rest = taken(stream, 4)
        assert all(len(part.missing) >= 1 for part in rest)
        assert max(len(part.missing) for part in rest) <= 4
        assert sorted(names([*(part for part in parts if part), *rest])) == sorted(
            f"{n}.jpg" for n in range(40)
        )
    with streaming(space, (planned(f"{number}.jpg") for number in range(40))) as stream:
        stream.films()
        first = stream.take(1)
        assert first is not None and len(first.missing) == 20


@pytest.mark.parametrize("error", [ConfigError("input x does not exist"), ZeroDivisionError("a bug of ours")])
def test_an_error_of_the_listing_reaches_whoever_asks(error: Exception, space: Workspace) -> None:
    def findings() -> Iterator[Finding]:
        yield planned("a.jpg")
        raise error

    asking: list[Callable[[Stream], object]] = [
        lambda stream: stream.films(), lambda stream: stream.films(1.0), lambda stream: stream.take(),
        lambda stream: stream.is_over, lambda stream: stream.has_batches(lambda: False),
    ]  # fmt: skip
    with streaming(space, findings()) as stream:
        until(lambda: stream._error)
        for ask in asking:
            with pytest.raises(type(error), match=str(error)):
                ask(stream)
    assert listing_threads() == []


def test_whether_there_is_anything_to_paint_is_waited_for_until_it_does_not_matter(space: Workspace) -> None:
    go_on = threading.Event()

    def findings() -> Iterator[Finding]:
        go_on.wait(5)
        yield planned("a.jpg")

    with streaming(space, findings()) as stream:
        assert not stream.has_batches(lambda: True)
        threading.Timer(0.1, go_on.set).start()
        assert stream.has_batches(lambda: False)
    with streaming(space, [FILM]) as stream:
        assert not stream.has_batches(lambda: False)


def test_while_the_listing_waits_another_thread_counts(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "WAITING", 1)
    with streaming(space, (planned(f"{n}.jpg", LARGE) for n in range(30)), census=range(30)) as stream:
        until(lambda: stream.tally.listed == 30)
        assert stream.tally.planned < 30
        assert len(names(taken(stream))) == 30


def test_the_journals_of_workers_are_there_until_their_lines_are_in_the_runs_own(space: Workspace) -> None:
    with streaming(space, [planned("a.jpg"), planned("b.jpg")]) as stream:
        (todo,) = [one for one in taken(stream) if one.missing]
        journal = leave(space, f"{todo.job.journal.stem}-w.jsonl", [page("a.jpg")])
        others = leave(space, "other-w.jsonl", [page("b.jpg")])
        stream.note(PictureFinished(todo.job, 0, (page("a.jpg"),)))
        stream.flush()
        assert journal.exists(), "the batch is not over"
        assert [line["source"] for line in lines(space)] == ["a.jpg"]
        stream.note(PictureFailed(todo.job, 1, "is cursed"))
        stream.flush()
        assert not journal.exists() and others.exists()
        assert stream.is_done
        assert [(one.source, one.error) for one in stream.tally.failures] == [("b.jpg", "is cursed")]


def test_what_is_finished_is_in_the_journal_soon_and_in_the_end(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with streaming(space, [planned("a.jpg"), planned("b.jpg")]) as stream:
        (todo,) = taken(stream)
        monkeypatch.setattr(stream_module, "FLUSH_S", 60.0)
        stream.note(PictureFinished(todo.job, 0, (page("a.jpg"),)))
        assert not space.records.exists()
        monkeypatch.setattr(stream_module, "FLUSH_S", 0.0)
        stream.note(PictureFinished(todo.job, 1, (page("b.jpg"),)))
        assert len(lines(space)) == 2
