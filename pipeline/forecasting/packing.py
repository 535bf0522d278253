"""How long tasks take some workers who share them, in the order in which a run begins them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(frozen=True)
class Task:
    """What one worker does in one go: `length` of it, in whatever unit. `after`: the places of tasks that it needs.

    `is_last`: it is begun only where none of the others can be, as photographs are.
    """

    length: float
    after: tuple[int, ...] = ()
    is_last: bool = False


def makespan(tasks: Sequence[Task], workers: int, lanes: float) -> float:
    """From the beginning of the first task to the end of the last one, in the unit of their lengths.

    A free worker begins the task with the longest chain behind it, as `execute.queue` has it. The workers together are
    as fast as `lanes` of them, each with a device of its own; one alone is never faster than one lane.
    """
    chains, waiters = _chains(tasks)
    needs = [len(task.after) for task in tasks]
    ready: list[tuple[bool, float, int]] = []
    running: list[tuple[float, int]] = []  # what every running task has done, once one is over; its place
    now = done = 0.0

    def release(place: int) -> None:
        heappush(ready, (tasks[place].is_last, -chains[place], place))

    for place, count in enumerate(needs):
        if not count:
            release(place)
    while ready or running:
        while ready and len(running) < workers:
            place = heappop(ready)[2]
            heappush(running, (done + tasks[place].length, place))
        end, place = heappop(running)
        now += (end - done) / min(1.0, lanes / (len(running) + 1))
        done = end
        for one in waiters.get(place, ()):
            needs[one] -= 1
            if not needs[one]:
                release(one)
    return now


def enough_workers(tasks: Sequence[Task]) -> int:
    """So many workers, each with a device of its own, that more would not be faster; 0 for nothing."""
    least = max(_chains(tasks)[0], default=0.0)
    if not least:
        return 0
    few, many = 1, len(tasks)
    while few < many:
        middle = (few + many) // 2
        few, many = (few, middle) if makespan(tasks, middle, middle) <= 1.001 * least else (middle + 1, many)
    return many


def _chains(tasks: Sequence[Task]) -> tuple[list[float], Mapping[int, Sequence[int]]]:
    """For each task its length and the longest chain of those that wait for it; who waits for which."""
    waiters: dict[int, list[int]] = {}
    for place, task in enumerate(tasks):
        for one in task.after:
            waiters.setdefault(one, []).append(place)
    found = [task.length for task in tasks]
    for place in reversed(range(len(tasks))):  # a task comes after those that it needs
        found[place] += max((found[one] for one in waiters.get(place, ())), default=0.0)
    return found, waiters
