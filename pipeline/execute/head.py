"""Whether the head of a running cluster still answers, asked beside the work.

Where it does not, Ray waits for a minute and then ends this process with exit code 1 and words of its own, whatever
the process is at.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from pipeline.execute.address import CONNECT_TIMEOUT_S

EVERY_S = 3.0
RAYS_PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"
RAYS_PATIENCE_S = 60.0
SOONER_S = 10.0
"""By how much this comes before Ray's own end, so that a run that Ray would let live is never ended here."""

LEAST_PATIENCE_S = 30.0


@contextmanager
def watching_head(address: str | None, lost: Callable[[str], object]) -> Iterator[None]:
    """Inside, `lost` is called from another thread, with words for a person, once the head is silent for too long.

    Without an address there is nobody to ask, nor where it never answered; an address `auto` is Ray's to find.
    """
    over = Event()
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host:
        Thread(target=_watch, args=(host.strip("[]"), int(port), lost, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def patience_s() -> float:
    """For how long the head may be silent."""
    try:
        rays_s = float(os.environ.get(RAYS_PATIENCE, RAYS_PATIENCE_S))
    except ValueError:
        rays_s = RAYS_PATIENCE_S
    return max(LEAST_PATIENCE_S, rays_s - SOONER_S)


def _watch(host: str, port: int, lost: Callable[[str], object], over: Event) -> None:
    """Ask by name until there is an answer, then by the number that did: a resolver's silence is not the head's."""
    at, silent_s, patient_s = None, None, patience_s()
    while not over.wait(EVERY_S):
        try:
            with socket.create_connection(at or (host, port), timeout=CONNECT_TIMEOUT_S) as link:
                at, silent_s = link.getpeername()[:2], None
        except OSError as error:
            if at is None or not _is_silence(error):
                continue
            silent_s = silent_s or time.monotonic()
            if time.monotonic() - silent_s > patient_s and not over.is_set():
                lost(
                    f"the head of the cluster at {host}:{port} has not answered for {patient_s:g} s; every finished "
                    "frame is kept: see to the cluster, or name another one, and run again"
                )
                return


def _is_silence(error: OSError) -> bool:
    """Whether it was the head that did not answer; what this machine lacks, such as one more file, says nothing."""
    return isinstance(error, ConnectionError | TimeoutError) or error.errno == errno.EHOSTUNREACH
