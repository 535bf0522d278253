"""Inputs and outputs that are no folders: the URLs of whatever file system fsspec has."""
