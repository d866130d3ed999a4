"""vms/: its three tables name the same machines, and what brings a libvirt takes nothing of the machine.

Guards: a box without a machine, or a column whose machine nobody defines, would be seen only by who runs it for minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

import project
import pytest

VMS = project.ROOT / "vms"
VAGRANTFILE = (VMS / "Vagrantfile").read_text()
CATALOG = tomllib.loads((VMS / "catalog.toml").read_text())
LOCAL = re.findall(r"^LOCAL = %w\[([^]]*)\]", VAGRANTFILE, re.MULTILINE)[0].split()
PUBLIC = re.findall(r'^  "(\S+)" => "', VAGRANTFILE, re.MULTILINE)


def test_every_local_box_is_a_machine_and_a_column() -> None:
    boxes = list(tomllib.loads((VMS / "boxes" / "boxes.toml").read_text()))
    assert boxes == LOCAL
    assert {entry["machine"] for entry in CATALOG.values() if entry["kernel"] == "machine"} >= set(boxes)


def test_every_column_of_a_machine_names_one_that_is_defined() -> None:
    machines = [entry["machine"] for entry in CATALOG.values() if entry["backend"] == "vagrant"]
    assert machines
    assert set(machines) <= {*LOCAL, *PUBLIC}


def test_machines_are_not_part_of_a_run_that_names_no_column() -> None:
    assert not [name for name, entry in CATALOG.items() if entry["backend"] != "qemu" and entry.get("default", True)]


@pytest.mark.parametrize(("script", "arguments", "said"), [
    ("boxes/build.py", ["debian-99"], "build.py: no box debian-99: there are debian-11"),
    ("with-libvirt", ["true"], "with-libvirt: no libvirt: apt-get install"),
])
def test_what_is_missing_is_one_line(script: str, arguments: list[str], said: str) -> None:
    """With a path on which nothing of libvirt can be found."""
    ended = subprocess.run([sys.executable, VMS / script, *arguments], env={**os.environ, "PATH": "/nowhere"},
                           capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith(said)
