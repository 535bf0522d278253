"""What the stylizer refuses to begin with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pipeline.errors import ConfigError
from pipeline.style.checks import check_masks, check_pictures

PICTURES = torch.zeros(2, 3, 4, 5)


@pytest.mark.parametrize(
    "pictures", [torch.zeros(3, 4, 5), torch.zeros(2, 1, 4, 5), torch.zeros(2, 3, 4, 5, dtype=torch.uint8)]
)
def test_pictures_of_another_kind_are_refused(pictures: Tensor) -> None:
    with pytest.raises(ConfigError, match=r"pictures must be floats, \(batch, 3, h, w\) in 0–1, got"):
        check_pictures(pictures, pictures)


def test_starts_of_another_shape_are_refused() -> None:
    check_pictures(PICTURES, PICTURES + 1)
    with pytest.raises(ConfigError, match="starts must have the contents' shape"):
        check_pictures(PICTURES, PICTURES[:1])


def test_a_mask_of_any_size_or_none_is_taken_for_each_picture() -> None:
    check_masks([None, torch.zeros(1, 1, 9, 7)], 2)
    with pytest.raises(ConfigError, match="one for each of 3 pictures, or None, got 2"):
        check_masks([None, torch.zeros(1, 1, 9, 7)], 3)
