"""What Vagrant prints becomes one line that says why, and what is missing is said before anything starts.

Guards: a user reads the reason and not a page of progress. The machines themselves are tested in tests/vagrant/.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from ksem import bootstrap
from ksem.backends import vagrant
from ksem.model import Column, KsemError, Lost, Unavailable

OUTPUTS = {
    "no libvirt": ("Bringing machine 'debian-12' up with 'libvirt' provider...\n"
                   "Error while connecting to Libvirt: Error making a connection to libvirt URI qemu:///system:\n"
                   "Call to virConnectOpen failed: Failed to connect socket to '/var/run/libvirt/libvirt-sock'\n\n",
                   "Error while connecting to Libvirt: Error making a connection to libvirt URI qemu:///system: "
                   "Call to virConnectOpen failed: Failed to connect socket to '/var/run/libvirt/libvirt-sock'"),
    "no box": ("The box 'ksem/none' could not be found or\ncould not be accessed in the remote catalog. If this is a private\n"
               "box, please verify you're logged in.\n\nProgress\n",
               "The box 'ksem/none' could not be found or could not be accessed in the remote catalog. If this is a private "
               "box, please verify you're logged in."),
    "progress": ("Progress: 10%\rProgress: 99%\r==> done\n", "==> done"),
    "an exception of Vagrant's own": ("/gems/wait_for.rb:9:in `block in wait_for': The timeout was exceeded (Fog::Error)\n"
                                      "\tfrom /a.rb:1:in `call'\n", "The timeout was exceeded (Fog::Error)"),
    "what was redrawn": ("\x1b[KProgress: 1%\r\x1b[KProgress: 66%\r\x1b[KError while uploading:\nNo space left on device\n",
                         "Error while uploading: No space left on device"),
    "nothing": ("", "it said nothing"),
    "for machines": ("1795658089,,ui,error,The provider 'nosuch' could not be found%!(VAGRANT_COMMA) but was requested.\\n\\n"
                     "Vagrant knows about others:\\ndocker%!(VAGRANT_COMMA) libvirt\n"
                     "1795658089,,error-exit,Vagrant::Errors::Some,failed\n",
                     "The provider 'nosuch' could not be found, but was requested. Vagrant knows about others: "
                     "docker, libvirt"),
    "a long story": ("no error\n" + "word " * 100, "no error " + "word " * 57 + "..."),
    "an exception": ("/vms/Vagrantfile:3:in `block': boom (RuntimeError)\n"
                     "\tfrom /loader.rb:37:in `load'\n\tfrom /a:1:in `<main>'\n",
                     "/vms/Vagrantfile:3:in `block': boom (RuntimeError)"),
}


@pytest.mark.parametrize(("output", "line"), OUTPUTS.values(), ids=OUTPUTS)
def test_the_telling_line_is_found(output: str, line: str) -> None:
    assert vagrant._telling(output) == line


@pytest.mark.parametrize(("program", "package"), vagrant.PROGRAMS.items())
def test_a_missing_program_names_its_package(program: str, package: str, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    for other in set(vagrant.PROGRAMS) - {program}:
        (tmp_path / other).write_text("#!/bin/true\n")
        (tmp_path / other).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=f"{program} is missing: apt-get install {package}"):
        vagrant.check(Column("one", "vagrant", "machine", machine="debian-12"))


def test_a_project_without_machines_says_where_they_would_be(tmp_path: Path) -> None:
    with pytest.raises(KsemError, match="Vagrantfile"):
        vagrant._directory(Column("one", "vagrant", "machine", machine="debian-12", vms=tmp_path))


def test_a_python_too_old_for_the_agent_says_so() -> None:
    """The program begins with the question, before anything that an old Python could not read."""
    old = "import sys\nsys.version_info = (3, 5, 3)\n"
    ended = subprocess.run([sys.executable, "-c", old + bootstrap.program()], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "this machine has Python 3.5: the agent needs Python 3.6 or newer\n"


BUSY = """#!/bin/sh
if [ -e once ]; then echo "it is gone"; exit 0; fi
echo "An action 'destroy' was attempted on the machine 'one',"
echo "but another process is already executing an action on the machine."
touch once
exit 1
"""


def control(directory: Path, text: str, monkeypatch: pytest.MonkeyPatch, output: IO[bytes]) -> vagrant._Control:
    """Of the machine `one`, by a `vagrant` with this text, which works in the directory."""
    (directory / "vagrant").write_text(text)
    (directory / "vagrant").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return vagrant._Control(vagrant._commands(directory), "one", Path(output.name), output)


def test_another_vagrant_that_is_at_the_machine_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("ab", buffering=0) as output:
        control(tmp_path, BUSY, monkeypatch, output).do("destroy")
    assert "it is gone" in (tmp_path / "log").read_text()


def test_a_vagrant_that_fails_is_told_by_what_it_said_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it failed at before is in the log too."""
    with (tmp_path / "log").open("ab", buffering=0) as output:
        output.write(b"An error of long ago.\n\n")
        with pytest.raises(Lost, match="vagrant destroy one failed: no luck"):
            control(tmp_path, "#!/bin/sh\necho no luck\nexit 1\n", monkeypatch, output).do("destroy")


PAUSED = """#!/bin/sh
if [ "$1" = status ]; then echo "1,one,provider-name,libvirt"; echo "1,one,state,paused"; exit 0; fi
echo "timed out"
exit 1
"""


def test_a_machine_that_the_host_has_no_space_for_is_told_as_paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers stop a machine that cannot write to its disk: nothing of it is in Vagrant's output."""
    said = r"up one failed: timed out .*; the machine is paused: is the disk full"
    with (tmp_path / "log").open("ab", buffering=0) as output, pytest.raises(Lost, match=said):
        control(tmp_path, PAUSED, monkeypatch, output).up()
