"""Machines in network namespaces of their own on one bridge, with `ray start` on each; root is needed for that.

A machine's network can be unplugged, its processes killed, and folders of it can be its own. Where the system allows
no namespaces, the same nodes run side by side on this machine, and only the processes can be taken away. Everything
that is started here is ended by its own id, and everything that is built here is removed, also where something fails.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

ROOT = Path(__file__).parents[2]
PORT = 6379
OBJECT_STORE_BYTES = 80 * 10**6  # Ray's least is 75 MiB
START_TIMEOUT_S = 120

ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "OMP_WAIT_POLICY": "PASSIVE",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    # a node that has vanished is noticed in seconds; Ray's own half a minute would make every scenario longer
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "4",
}


_SERIAL = itertools.cycle("abcdefghijklmnopqrstuvwxyz")


def why_no_namespaces() -> str | None:
    """Why this system does not let us build networks; None where it does."""
    missing = [name for name in ("ip", "unshare") if shutil.which(name) is None]
    if missing:
        return f"there is no `{missing[0]}` here"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    name = f"st{os.getpid() % 10000}x"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if done.returncode:
        return f"network namespaces are not allowed here: {done.stderr.strip()}"
    linked = subprocess.run(
        ["ip", "link", "add", f"{name}b", "type", "bridge"], capture_output=True, text=True
    )
    for command in (["netns", "del", name], ["link", "del", f"{name}b"]):
        subprocess.run(["ip", *command], capture_output=True)
    return f"bridges are not allowed here: {linked.stderr.strip()}" if linked.returncode else None


@dataclass
class Machine:
    """One node: its name, its address, and what runs on it. `private`: folders that no other machine sees."""

    name: str
    address: str
    prefix: tuple[str, ...]
    link: str | None = None
    private: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: Sequence[str], log: Path, **env: str) -> subprocess.Popen[bytes]:
        """Run a command on it, and keep what it says in a file."""
        mounts = "".join(f"mount -t tmpfs private {path} && " for path in self.private)
        shell = ["sh", "-c", f'{mounts}exec "$@"', self.name]
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*self.prefix, *(shell if mounts else ()), *command],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ENVIRONMENT, **self.env, **env},
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def unplug(self) -> None:
        """Take its network away: nothing is said to anyone, as when a cable is pulled."""
        if self.link is not None:
            subprocess.run(["ip", "link", "set", self.link, "down"], check=True)

    def kill(self) -> None:
        """End all of its processes at once, as when its power goes."""
        for process in self.running:
            _kill_family(process)
        self.running = []


def _kill_family(process: subprocess.Popen[bytes]) -> None:
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid)
        for one in [family, *family.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)


class Machines:
    """A head and others, which may come and go. Use it with `with`."""

    def __init__(
        self, folder: Path, *, namespaces: bool = True, env: Mapping[str, str] | None = None
    ) -> None:
        """`folder`: for logs, and for Ray's own files, whose paths have to be short; `env`: of all that runs."""
        self.folder, self._namespaces = folder, namespaces
        self._mark = f"st{os.getpid() % 10000}{next(_SERIAL)}"  # a link that was removed lingers for a moment
        self._machines: list[Machine] = []
        self._spaces: list[str] = []
        self._env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), **(env or {})}
        self._subnet = f"10.{77 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
        self._port = PORT if namespaces else 20000 + os.getpid() % 20000

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._namespaces:
            _ip(f"link add {self._mark} type bridge")
            _ip(f"addr add {self.outside}/24 dev {self._mark}")
            _ip(f"link set {self._mark} up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for machine in self._machines:
            machine.kill()
        if self._namespaces:
            for space in self._spaces:
                _ip(f"netns del {space}", check=False)
            _ip(f"link del {self._mark}", check=False)

    @property
    def outside(self) -> str:
        """The address at which this process is reached from the machines."""
        return f"{self._subnet}.254"

    def head(self, private: Iterable[Path] = ()) -> Machine:
        """Start a head; the cluster's address is its own, with `port`."""
        machine = self._build("head", private)
        command = ["--head", f"--port={self._port}", "--include-dashboard=false"]
        self._start_ray(machine, command)
        return machine

    def join(self, name: str, head: Machine, private: Iterable[Path] = ()) -> Machine:
        """Start another node, and wait until the head knows it."""
        machine = self._build(name, private)
        self._start_ray(machine, [f"--address={self.address(head)}"])
        return machine

    def address(self, head: Machine) -> str:
        """What a job's `execution.address` is to be."""
        return f"{head.address}:{self._port}"

    def _build(self, name: str, private: Iterable[Path]) -> Machine:
        index = len(self._machines) + 1
        name = f"{name}{index}"
        if not self._namespaces:
            machine = Machine(name, "127.0.0.1", (), env=self._env)
        else:
            machine = self._wire(name, index, tuple(private))
        self._machines.append(machine)
        return machine

    def _wire(self, name: str, index: int, private: tuple[Path, ...]) -> Machine:
        space, address = f"{name}-{self._mark}", f"{self._subnet}.{index}"
        link, inner = f"{self._mark}v{index}", f"{self._mark}w{index}"
        self._spaces.append(space)
        _ip(f"netns add {space}")
        _ip(f"link add {link} type veth peer name {inner}")
        _ip(f"link set {link} master {self._mark}")
        _ip(f"link set {inner} netns {space}")
        for command in (f"addr add {address}/24 dev {inner}", f"link set {inner} up", "link set lo up"):
            _ip(f"-n {space} {command}")
        _ip(f"link set {link} up")
        named = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name)
        return Machine(name, address, ("ip", "netns", "exec", space, *named), link, private, self._env)

    def _start_ray(self, machine: Machine, options: Sequence[str]) -> None:
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
        common = [f"--object-store-memory={OBJECT_STORE_BYTES}", "--disable-usage-stats"]
        where = [f"--node-ip-address={machine.address}", f"--temp-dir={self.folder / 'r'}"]
        log = self.folder / f"{machine.name}.log"
        process = machine.start([*ray, *options, *common, *where], log)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while "This command will now block" not in log.read_text("utf-8", "replace"):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(
                    f"ray start on {machine.name} failed:\n{log.read_text('utf-8', 'replace')}"
                )
            time.sleep(0.2)


def _ip(command: str, *, check: bool = True) -> None:
    done = subprocess.run(["ip", *command.split()], capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"ip {command}: {done.stderr.strip()}")
