"""Processes that are ended with those that they have started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PARENT = """
import subprocess, sys
from pipeline.offspring import end_offspring
command = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print('ready', flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
grandchildren = open(f"/proc/{child.pid}/task/{child.pid}/children").read().split()
end_offspring()
child.wait()
print(child.returncode, *grandchildren)
"""


def test_children_and_theirs_are_ended_and_this_process_is_not() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT], capture_output=True, text=True, timeout=60, check=True
    )
    code, grandchild = done.stdout.split()
    assert code == "-9"
    stat = Path(f"/proc/{grandchild}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
