"""Neural style transfer on tensors: pictures in, paintings out. Knows torch, and nothing of files, YAML or Ray."""

from .guidance import Anchor, Guidance
from .one_call import stylize
from .settings import Settings
from .styles import Mixture, Style
from .stylizer import Stylization, Stylizer
from .weights import Weights
from .work import Iterate

__all__ = [
    "Anchor",
    "Guidance",
    "Iterate",
    "Mixture",
    "Settings",
    "Style",
    "Stylization",
    "Stylizer",
    "Weights",
    "stylize",
]
