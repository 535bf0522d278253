"""What to do when memory runs out over a picture: free what can be freed, try once more, and then say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import MediaError
from pipeline.style.memory import is_out_of_memory, release_memory

Result = TypeVar("Result")


class MemoryRanOutError(MediaError):
    """A picture does not fit into memory, not even in the smallest tiles."""


def twice(attempt: Callable[[], Result]) -> Result:
    """What `attempt()` gives, at the second try where memory runs out at the first; `MemoryRanOutError` after that.

    Smaller tiles are not its business: `style.memory.shrinking` has been through all of them by then.
    """
    for _ in range(2):
        try:
            return attempt()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "MemoryError")
        release_memory()  # out here the exception holds the failed attempt's tensors no longer
    raise MemoryRanOutError(
        f"memory ran out twice, in the smallest tiles, too ({reason}); set transfer.size to less, let fewer workers "
        "share the machine (execution.workers), or use one with more memory"
    )
