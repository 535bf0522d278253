"""What a file system complains of, and what to do about it."""

from __future__ import annotations

import pytest

from pipeline.storage.systems import why


class ClientConnectorDNSError(OSError):
    """As aiohttp's."""


@pytest.mark.parametrize(
    ("scheme", "what"), [("https", "the address and the network"), ("s3", "AWS_ENDPOINT_URL and the network")]
)
def test_a_host_that_is_not_found_is_told_as_that(scheme: str, what: str) -> None:
    error = ClientConnectorDNSError("Cannot connect to host example.invalid:443")
    said = "cannot be reached (Cannot connect to host example.invalid:443)"
    assert why(error, scheme) == f"{said}; check {what}, then run again"
    assert "does not answer as it should" in why(RuntimeError("teapot"), scheme)
