"""Neural style transfer on tensors: pictures in, a painting out. Knows torch, and nothing of files, YAML or Ray."""

from .stylizer import Settings, Stylization, Stylizer
from .weights import Weights

__all__ = ["Settings", "Stylization", "Stylizer", "Weights"]
