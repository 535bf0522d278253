"""Shots: where a source is cut, in what segments it is made, and what each shot has of its own."""
