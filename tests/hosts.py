"""Hosts of a test's own: network, process and mount namespaces with an sshd in each, and one more network to reach them from.

Only root can make them. All addresses, interfaces and daemons are inside, and end with the namespaces' first processes:
nothing of the machine's own network is seen or changed. What a test must not share with a host is hidden from it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import project

SBIN = {"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"}
SSHD = """Port 22
HostKey {keys}/host
AuthorizedKeysFile {keys}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
"""
SSH = """Host *
  User root
  IdentityFile {keys}/user
  IdentitiesOnly yes
  UserKnownHostsFile /dev/null
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking no
  LogLevel ERROR
"""
# A namespace's first process: reaps what is left to it, and ends with the test that holds its input open.
FIRST = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(flush=True); sys.stdin.read()"


class Host:
    """A machine of its own, as far as ssh can tell. first: the process that holds its namespaces. link: its cable's far end."""

    def __init__(self, first: subprocess.Popen[str], name: str, link: str) -> None:
        self.first, self.name, self.link = first, name, link

    def kill(self) -> None:
        """End all that runs on it, as when its power is cut."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)

    @property
    def process(self) -> int:
        """The process that its namespaces are named by: unshare's only child."""
        children = Path(f"/proc/{self.first.pid}/task/{self.first.pid}/children").read_text().split()
        return int(children[0])


class Hosts:
    """The machines of a test, and the network that they are reached from."""

    def __init__(self, directory: Path, first: subprocess.Popen[str]) -> None:
        self.directory, self.first = directory, first
        self.config = directory / "ssh_config"
        self.known: dict[str, Host] = {}

    def inside(self, *command: str) -> list[str]:
        """A command in the network that all hosts are reached from."""
        return ["nsenter", f"--net=/proc/{self.first.pid}/ns/net", *command]

    def ksem(self, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`ksem ARGUMENTS` there."""
        return subprocess.run(self.inside(*project.COMMAND, *arguments), cwd=root, env=project.environment() | SBIN,
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def worker(self, name: str, options: str = "") -> str:
        """A host as pytest-xdist takes it. options: ssh's own."""
        return f"ssh={options} {name}//ssh_config={self.config}//python={sys.executable}//chdir=/srv/ksem".replace("= ", "=")

    def cut(self, name: str) -> None:
        """Pull a host's cable: nobody says anything any more."""
        call(*self.inside("ip", "link", "set", self.known[name].link, "down"))


@contextlib.contextmanager
def made(directory: Path, names: Sequence[str], hidden: Sequence[Path]) -> Iterator[Hosts]:
    """Hosts with an sshd each; what is hidden is empty there. Their /srv, /run and /tmp are their own."""
    keys = directory / "keys"
    keys.mkdir()
    for key in ("host", "user"):
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / key))
    (keys / "sshd_config").write_text(SSHD.format(keys=keys))
    with contextlib.ExitStack() as stack:
        hosts = Hosts(directory, stack.enter_context(first("unshare", "--net")))
        call(*hosts.inside("ip", "link", "set", "lo", "up"))
        lines = SSH.format(keys=keys)
        for number, name in enumerate(names, 1):
            held = stack.enter_context(first("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"))
            host = hosts.known[name] = Host(held, name, f"to{number}")
            call(*hosts.inside("ip", "link", "add", host.link, "type", "veth", "peer", "name", "eth0",
                               "netns", str(host.process)))
            call(*hosts.inside("ip", "address", "add", f"10.0.{number}.1/24", "dev", host.link))
            call(*hosts.inside("ip", "link", "set", host.link, "up"))
            serve(host, f"10.0.{number}.2/24", keys, hidden)
            lines += f"Host {name}\n  HostName 10.0.{number}.2\n"
        hosts.config.write_text(lines)
        yield hosts


@contextlib.contextmanager
def first(*command: str) -> Iterator[subprocess.Popen[str]]:
    """The first process of namespaces; they end with it."""
    python = os.path.realpath(sys.executable)
    with subprocess.Popen([*command, python, "-c", FIRST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        yield process
        process.stdin.close()


def serve(host: Host, address: str, keys: Path, hidden: Sequence[Path]) -> None:
    """Give a host its address, its own directories, and an sshd that is ready when this returns."""
    outside = keys.parent.parent
    script = [f"mount -t tmpfs none {path}" for path in (*hidden, "/run", "/srv")]
    script += ["mkdir /run/sshd", "ip link set lo up", f"ip address add {address} dev eth0", "ip link set eth0 up",
               f"/usr/sbin/sshd -f {keys}/sshd_config"]
    call("nsenter", f"--target={host.process}", "--net", "--mount", "--pid", "sh", "-ec", "\n".join(script), cwd=outside)


def call(*command: str, cwd: Path | None = None) -> None:
    """A command that must succeed."""
    done = subprocess.run(command, cwd=cwd, env=os.environ | SBIN, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, (command, done.stderr)
