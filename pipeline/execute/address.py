"""The address of a Ray cluster: whether anybody is there, and who is let in. Ray itself is not imported."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path

from pipeline.errors import ClusterError

CONNECT_TIMEOUT_S = 5


def check_reachable(address: str) -> None:
    """Raise `ClusterError` where nobody listens at `host:port` or `ray://host:port`; `auto` is Ray's to find.

    Ray itself takes half a minute to say so.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ClusterError(
            f"execution.address {address} cannot be reached ({error.strerror or error}); "
            "check the host and the port, and that the cluster runs"
        ) from error


def stay_local() -> None:
    """Let a Ray that is started here listen to this machine alone, and there to who has a token made for it.

    Whoever reaches one of Ray's ports runs code as us; by itself it listens on all networks, `_node_ip_address` or
    not. The first variable, made for other systems, makes it take 127.0.0.1 for its address on Linux, too; the token
    keeps out this machine's other users. Ray reads them once, as it is imported; where it is, this does nothing.
    """
    if "ray" in sys.modules:
        return
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def use_token() -> None:
    """Show a cluster our token where we have one: since Ray 2.59 it may ask for it.

    Ray reads the environment once, as it is imported; where it is already, this does nothing.
    """
    if "ray" in sys.modules:
        return
    has_token = "RAY_AUTH_TOKEN" in os.environ or (Path.home() / ".ray/auth_token").is_file()
    if has_token:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
