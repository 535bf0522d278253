"""Runs the tests that are marked `chaos`, and prints one row for each: what became of it, and how long that took."""

from __future__ import annotations

import sys

import pytest


class Table:
    """A plugin that takes down what became of each test."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, float]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for a test's set-up, for itself, and for what comes after it."""
        was, seconds = self.rows.get(report.nodeid, ("ok", 0.0))
        now = "ok" if report.passed else report.outcome
        self.rows[report.nodeid] = (now if was == "ok" else was, seconds + report.duration)

    def show(self) -> None:
        """Print the rows in the order in which the tests ran."""
        for name, (outcome, seconds) in self.rows.items():
            sentence = name.rpartition("::")[2].removeprefix("test_").replace("_", " ")
            print(f"{outcome:8} {seconds:7.1f} s  {sentence}")
        failed = sum(outcome == "failed" for outcome, _ in self.rows.values())
        print(f"{len(self.rows)} faults, {failed} failed")


if __name__ == "__main__":
    table = Table()
    end = pytest.main(["-m", "chaos", "tests/chaos", "tests/faults", *sys.argv[1:]], plugins=[table])
    table.show()
    sys.exit(end)
