"""Turns videos, image sequences and photo archives into paintings (Gatys et al., CVPR 2016)."""

__version__ = "0.1.0"
