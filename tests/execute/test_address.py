"""Who can reach a Ray that is started here, and what is said where no cluster is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ClusterError
from pipeline.execute.address import check_reachable

STARTED = """
import json, os, sys, time
from pipeline.execute.address import stay_local
stay_local()
import psutil
from pipeline.config import Config, Execution
from pipeline.execute import scheduler
scheduler._connect(Execution())
family = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
ports = [c.laddr for c in psutil.net_connections("inet") if c.status == "LISTEN" and c.pid in family]
address = scheduler.ray.get_runtime_context().gcs_address
json.dump({"listening": ports, "address": address, "token": os.environ["RAY_AUTH_TOKEN"]}, sys.stdout)
sys.stdout.flush()
sys.stdin.read()
scheduler.ray.shutdown()
"""

STRANGER = """
import sys, ray
ray.init(sys.argv[1], logging_level="CRITICAL", log_to_driver=False)
print("in", ray.nodes())
"""


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, Any]]:
    pytest.importorskip("psutil")
    command = [sys.executable, "-c", STARTED]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean()
    ) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}"):
            more = process.stdout.read(1)
            assert more, "it did not start"
            text += more
        yield json.loads(text)
        process.communicate("")


def test_what_we_start_listens_to_this_machine_alone(started: dict[str, Any]) -> None:
    hosts = {ip_address(host) for host, _ in started["listening"]}
    assert len(started["listening"]) >= 4, "Ray's own, and the workers'"
    assert all((getattr(host, "ipv4_mapped", None) or host).is_loopback for host in hosts), hosts
    assert 8265 not in {port for _, port in started["listening"]}, "the dashboard runs what it is sent"


def visit(address: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Another process that tries to connect."""
    command = [sys.executable, "-c", STRANGER, address]
    settings = {**clean(), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", **env}
    return subprocess.run(command, capture_output=True, text=True, env=settings, timeout=120)


def test_others_on_this_machine_are_not_let_in_without_the_token(
    started: dict[str, Any], tmp_path: Path
) -> None:
    stranger = visit(started["address"], HOME=str(tmp_path), RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)
    assert stranger.returncode != 0
    assert "in [" not in stranger.stdout
    friend = visit(started["address"], RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=started["token"])
    assert "in [" in friend.stdout, friend.stderr


def test_a_port_at_which_nobody_listens_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ClusterError, match=f"127.0.0.1:{port} cannot be reached"):
        check_reachable(f"ray://127.0.0.1:{port}")
