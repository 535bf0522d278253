"""Which machines of a cluster get how many workers, as machines join and leave, and as one turns out unfit.

What a worker gets is said in `pool`. Knows nothing of Ray: which machines there are is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from pipeline.config import Execution
from pipeline.errors import ClusterError
from pipeline.execute.pool import Node, Place, Pool, employed, share_out, size_pool

FIRST_MACHINE_S, FIRST_LOOK_S = 600, 0.5


class Roster:
    """The places for the workers of one job, of which `most` are of use at a time."""

    def __init__(self, execution: Execution, most: int) -> None:
        self.pool = Pool(0, 0, 0, 0)
        self.unfit: dict[str, str] = {}
        """By names of machines, why they cannot do the job; one that is mended joins under another name."""
        self._execution, self._most = execution, most
        self._places: tuple[Place, ...] = ()

    def measure(self, nodes: Sequence[Node]) -> None:
        """Size the pool for the machines that are there; `ClusterError` where they are too few or too small."""
        self.pool = size_pool(self._execution, nodes, self._most)
        self._places = share_out(self._execution, nodes, self.pool)

    def machines(self, nodes: Sequence[Node]) -> dict[str, Node]:
        """Those of `nodes` that get workers, as `employed`."""
        return employed(nodes, self._places)

    def recount(self, nodes: Sequence[Node]) -> int:
        """How many workers there is room for on the machines that are there now; what each of them gets stays."""
        # A machine that turned out unfit has no place any more. So whoever is hired for the one who found that out is
        # one more than there are places: it waits, and is the first to begin on the next machine that joins.
        self._places = tuple(place for place in self._places if place.node not in self.unfit)
        with suppress(ClusterError):  # machines have left: those who were on them wait for others
            fit = [node for node in nodes if node.name not in self.unfit]
            self.pool = replace(self.pool, workers=size_pool(self._execution, fit, self._most).workers)
            self._places = share_out(self._execution, fit, self.pool)
        return sum(place.workers for place in self._places)

    def free(self, taken: Mapping[str, int]) -> dict[Place, int]:
        """Where workers are wanting, and how many, where `taken` are at work on each machine."""
        free = {place: place.workers - taken.get(place.node, 0) for place in self._places}
        return {place: count for place, count in free.items() if count > 0}


def first_nodes(
    look: Callable[[], list[Node]], stop: Callable[[], bool], say: Callable[[str], object]
) -> list[Node]:
    """The machines of the cluster, by `look`, as soon as there are any; none where that takes until `stop`."""
    deadline_s, has_said = time.monotonic() + FIRST_MACHINE_S, False
    while not (nodes := look()) and not stop():
        if time.monotonic() > deadline_s:
            raise ClusterError(
                f"no machine of the cluster gave any CPU or GPU away in {FIRST_MACHINE_S} s; "
                "see `ray status` there, and add machines: ray start --address=HEAD:6379"
            )
        if not has_said:
            say(
                f"no machine of the cluster gives any CPU or GPU away yet; waiting up to {FIRST_MACHINE_S} s for one"
            )
            has_said = True
        time.sleep(FIRST_LOOK_S)
    return nodes
