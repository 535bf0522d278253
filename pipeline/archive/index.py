"""Of every photograph that was ever painted here: from what, and into what. A table on the disk, so memory is flat.

What counts is the journal, `records.jsonl`; the table is an index of it that is made anew where it is missing or
damaged. A worker writes its lines into a file of its own before a result gets its name, so what a killed run had
finished is found there. What a line says is read in `journal`, SQL and rows are in `table`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import RLock
from typing import Self

from pipeline.archive.journal import aside, by_picture, is_known, is_last, pictures_in, record_of
from pipeline.archive.table import (
    DAMAGED,
    TABLE,
    VERSION,
    Row,
    beside,
    connect,
    insert,
    is_unable,
    is_worth_compacting,
    names_a_file,
    note_read,
    read_so_far,
    row_of,
    version_of,
)
from pipeline.durable import append_lines, read_journal, rewrite, writing
from pipeline.errors import ResumeError, SpaceError
from pipeline.records import PictureRecord, is_of_picture, records_in
from pipeline.workspace import Workspace

LEASE_S = 86_400.0


class PictureIndex:
    """The table; use it with `with`. May be asked from several threads.

    One that is damaged is made anew as it is opened; damage that shows only later is a ResumeError.
    `writable`: by the one run that holds the run folder. Otherwise nothing is touched, and what the table lacks is
    looked up in a copy of it.
    """

    def __init__(self, space: Workspace, *, writable: bool) -> None:
        self._space, self._writable = space, writable
        self._lock = RLock()
        self._seen = bytearray()
        self._is_kept = space.index.exists()  # else the table vanishes, until there is something to be kept
        if writable and names_a_file(space.index):
            self._remove()
        try:
            self._start()
        except (*DAMAGED, ResumeError) as error:  # the journal has it all
            if writable and is_unable(error):
                raise _space_error(space, error) from error
            if writable:
                self._remove()
            self._is_kept = False
            self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the table go; with lines in the journal that later ones replace, write it without them first."""
        with self._asking(), closing(self._connection):
            if self._writable and self._is_kept:
                self._read_journal()  # what films have added
                self._connection.commit()
                if is_worth_compacting(self._connection):
                    self._compact()

    def get(self, name: str) -> Row | None:
        """What is known of a source."""
        return next(iter(self._select("name = ?", name)), None)

    def owner(self, output: str) -> str | None:
        """Of which source a file was painted last, by its path below the output folder; None: no run here made it."""
        with self._asking():
            question = "SELECT name FROM outputs WHERE output = ?"
            found = self._connection.execute(question, (os.fsencode(output),)).fetchone()
            return None if found is None else os.fsdecode(found[0])

    def see(self, row_id: int) -> None:
        """Take down that a photograph is one of this job's."""
        with self._lock:
            self._seen.extend(bytes(max(0, row_id // 8 + 1 - len(self._seen))))
            self._seen[row_id // 8] |= 1 << row_id % 8

    def all_seen(self) -> SeenPictures:
        """The photographs that were seen so far."""
        return SeenPictures(self._space, bytes(self._seen))

    def rows(self) -> Iterator[Row]:
        """All photographs, in the order of their names."""
        last = ""
        while rows := self._select("name > ? ORDER BY name LIMIT 1000", last):
            yield from rows
            last = rows[-1].name

    def add(self, pictures: Sequence[Sequence[PictureRecord]]) -> None:
        """Take down what has been painted, page by page, in the journal and then in the table, and see it."""
        if not pictures:
            return
        with self._asking(), writing(self._space.root):
            self._keep()
            append_lines(self._space.records, [asdict(page) for pages in pictures for page in pages])
            ids = [insert(self._connection, pages) for pages in pictures]
            note_read(self._connection, self._space.records.stat())
            self._connection.commit()
        for row_id in ids:
            self.see(row_id)

    def touch(self, row: Row, **changed: object) -> None:
        """Take down that a source or a result has another time, and still the same bytes; in the table alone."""
        if self._writable:
            with self._asking(), self._connection:
                names = ", ".join(f"{name} = ?" for name in changed)
                self._connection.execute(
                    f"UPDATE pictures SET {names} WHERE id = ?", (*changed.values(), row.id)
                )

    def adopt(self, journals: Iterable[Path]) -> None:
        """Take down what workers' journals tell of results that are there, and remove them.

        A journal with a line whose result is not there is kept for a day: its writer, taken for dead, may yet finish.
        """
        for path in journals:
            pictures, is_settled = self._told_in(path)
            self.add(pictures)
            if is_settled or path.stat().st_mtime < time.time() - LEASE_S:
                path.unlink(missing_ok=True)

    # --- the table and the journal ---

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Hold the table; a damaged one is a ResumeError that says how to be rid of it."""
        try:
            with self._lock:
                yield
        except DAMAGED as error:
            if is_unable(error):
                raise _space_error(self._space, error) from error
            index, journal = self._space.index, self._space.records.name
            raise ResumeError(
                f"{index} is damaged ({error}); remove it, and run again: it is made anew from {journal}"
            ) from error

    def _remove(self) -> None:
        self._is_kept = False
        for path in (*beside(self._space.index), self._space.index):
            path.unlink(missing_ok=True)

    def _start(self) -> None:
        self._connection = self._open()
        try:
            self._catch_up()
        except (*DAMAGED, ResumeError):
            self._connection.close()
            raise

    def _open(self) -> sqlite3.Connection:
        if not self._is_kept:
            return connect("")  # a file of SQLite's own, that vanishes
        if self._writable:
            return connect(str(self._space.index))
        return self._up_to_date(connect(f"{self._space.index.absolute().as_uri()}?mode=ro"))

    def _up_to_date(self, kept: sqlite3.Connection) -> sqlite3.Connection:
        """The table itself where it lacks nothing, else a copy."""
        if (
            version_of(kept) == VERSION
            and not self._lacks(kept)
            and not any(self._space.pictures.glob("*.jsonl"))
        ):
            return kept
        with closing(kept):
            copy = connect("")
            kept.backup(copy)
        return copy

    def _lacks(self, connection: sqlite3.Connection) -> bool:
        path = self._space.records
        return path.is_file() and read_so_far(connection) != (path.stat().st_ino, path.stat().st_size)

    def _keep(self) -> None:
        """From now on the table is a file of the run folder."""
        if not self._is_kept:
            kept = connect(str(self._space.index))
            with closing(self._connection):
                self._connection.backup(kept)
            self._connection, self._is_kept = kept, True

    def _catch_up(self) -> None:
        """Read what the journal has beyond the table, then what workers left."""
        with self._lock:
            if version_of(self._connection) != VERSION:
                self._connection.executescript(TABLE)
            self._read_journal()
            self._connection.commit()
        journals = sorted(self._space.pictures.glob("*.jsonl"))
        if self._writable:
            for path in self._space.pictures.glob("*.partial"):
                path.unlink(missing_ok=True)
            self.adopt([aside(path) for path in journals])
        else:
            for pages in (pages for path in journals for pages in self._told_in(path)[0]):
                insert(self._connection, pages)

    def _read_journal(self) -> None:
        path = self._space.records
        if not self._lacks(self._connection):
            return
        state = path.stat()
        inode, read = read_so_far(self._connection)
        if inode != state.st_ino or not 0 <= read <= state.st_size:
            read = 0
        with path.open("rb") as file:
            file.seek(read)
            for pages in pictures_in(file):
                insert(self._connection, pages)
        note_read(self._connection, state)

    def _told_in(self, journal: Path) -> tuple[list[tuple[PictureRecord, ...]], bool]:
        """Pictures that a worker finished and nobody took down: those whose results are there, as their lines say.

        And whether that goes for all of its lines, but for those that are known.
        """
        found, is_settled = [], True
        for pages in by_picture(records_in(read_journal(journal))):
            if is_known(self.get(pages[0].source), pages[0]):
                continue
            if confirmed := self._space.shelf.confirmed(self._space.output, pages):
                found.append(confirmed)
            else:
                is_settled = False
        return found, is_settled

    def _compact(self) -> None:
        """Write the journal without the lines of photographs that were painted again since."""
        path = self._space.records
        with path.open("rb") as file:
            rewrite(path, (line for line in file if not is_of_picture(line) or self._is_last(line)))
        self._connection.execute("UPDATE journal SET stale = 0")
        note_read(self._connection, path.stat())
        self._connection.commit()

    def _is_last(self, line: bytes) -> bool:
        page = record_of(line)
        return page is not None and is_last(self.get(page.source), page)

    def _select(self, where: str, name: str) -> list[Row]:
        with self._asking():
            question = (os.fsencode(name),)
            found = self._connection.execute(f"SELECT * FROM pictures WHERE {where}", question).fetchall()
            return [row_of(values) for values in found]


class SeenPictures:
    """Some of a table's photographs, by name; walking through them opens the table anew, so memory stays flat."""

    def __init__(self, space: Workspace, seen: bytes) -> None:
        self._space, self._seen = space, seen

    def __iter__(self) -> Iterator[Row]:
        if any(self._seen):
            with PictureIndex(self._space, writable=False) as index:
                yield from (row for row in index.rows() if self._has(row.id))

    def _has(self, row_id: int) -> bool:
        place = row_id // 8
        return place < len(self._seen) and bool(self._seen[place] >> row_id % 8 & 1)


def _space_error(space: Workspace, error: Exception) -> SpaceError:
    return SpaceError(
        f"cannot write {space.index}: {error}; make room, change the rights or stop what holds it, then run again"
    )
