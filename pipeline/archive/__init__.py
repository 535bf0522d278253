"""Photographs by the million: what is there, what of it is painted already, and what a worker gets next."""
