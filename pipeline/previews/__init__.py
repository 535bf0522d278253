"""Looks before and during a run: sheets of samples, partial videos, and what VGG19's layers keep."""
