"""What a plan will cost, by counting."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import Transfer
from pipeline.estimate import cold_work

SIZE = (800, 400)
AREA = 0.32  # megapixels


@pytest.mark.parametrize(
    ("settings", "work"),
    [
        ({"scales": 1, "iterations": 100}, 100 * AREA),
        ({"scales": "auto", "iterations": 100}, (100 + 50 / 4 + 50 / 16) * AREA),
        ({"scales": (400, 800), "iterations": 7}, (7 + 4 / 4) * AREA),
        ({"scales": "auto", "iterations": 100, "coarse_iterations": 40}, (100 + 40 / 4 + 40 / 16) * AREA),
        ({"scales": (400, 800), "iterations": 10, "coarse_iterations": 40}, (10 + 40 / 4) * AREA),
        ({"scales": (400, 800), "iterations": 10, "averaging": 0.9}, (11 + 6 / 4) * AREA),
    ],
)
def test_a_cold_frame_costs_its_iterations_at_every_size(settings: dict[str, Any], work: float) -> None:
    assert cold_work(SIZE, Transfer(size=800, **settings)) == pytest.approx(work)
