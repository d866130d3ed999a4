"""The bench on which a case works: a directory of its own, users, filesystems, callers.

Contract: the standard library and ksem.guest. The lab is the case's first process (`main`) with helpers that are made of
recorded calls only. It stands in a mount namespace of its own, with private propagation, in an empty tmpfs
that is its working directory: cases use relative paths. On a machine where the agent is an ordinary user
it stands in a user namespace too, as root of one id, and `privileged` is False.
"""

import os
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from ksem.guest import disks
from ksem.guest.executor import Task
from ksem.guest.flags import AF, AT, AT_FDCWD, CLONE, MS, PR, SOCK, O
from ksem.guest.process import Bench, Process

# Ids that no distribution hands out: above systemd's last range and any subordinate ids, below the
# foreign ids of containers, so that on a real machine nobody else is these users.
OWNER = 2100000001
OTHER = 2100000002
GROUP = 2100000003
USERS = {0: "root", OWNER: "owner", OTHER: "other", GROUP: "group"}
OVERFLOW = "overflow"
ROOT = "/tmp"

MOUNT_FLAGS = {
    "ro": MS.RDONLY, "nosuid": MS.NOSUID, "nodev": MS.NODEV, "noexec": MS.NOEXEC, "noatime": MS.NOATIME,
    "nodiratime": MS.NODIRATIME, "relatime": MS.RELATIME, "strictatime": MS.STRICTATIME,
    "nosymfollow": MS.NOSYMFOLLOW,
}


class Lab(Process):
    """The first process of a case, with the helpers that cases share."""

    def __init__(self, task: Task, bench: Bench) -> None:
        super().__init__("main", task, {"mnt": 0, "user": 0}, bench)
        bench.trace.pids[str(task.pid)] = self.name
        self.machine = task.arena.around
        self.privileged = self.machine.uid == 0

    def enter(self) -> None:
        """Leave the machine's mounts alone: a mount namespace, and an empty directory to work in."""
        uid, gid = self.machine.uid, self.machine.gid
        if self.privileged:
            self.unshare(CLONE.NEWNS)
        else:
            self.unshare(CLONE.NEWNS | CLONE.NEWUSER)
            self.map_ids(self, {0: uid}, {0: gid})
        self.do([("mount", "none", "/", None, MS.REC | MS.PRIVATE, None),
                 ("mount", "lab", ROOT, "tmpfs", 0, "mode=755,size=16m"), ("chdir", ROOT), ("umask", 0o022)])

    def finish(self) -> None:
        """Have made what still waits to be made."""
        self._bench.make()

    # Mounts

    def tmpfs(self, path: str, options: Iterable[str] = (), data: str = "mode=755") -> str:
        """A new tmpfs on a new directory, with per-mount options by their names in mountinfo."""
        self.do([("mkdir", path, 0o755), ("mount", os.path.basename(path), path, "tmpfs", mount_flags(options), data)])
        return path

    def bind(self, source: str, target: str, recursive: bool = False) -> str:
        """A bind mount of a directory on a new one."""
        self.do([("mkdir", target, 0o755), ("mount", source, target, None, MS.BIND | (MS.REC if recursive else 0), None)])
        return target

    def filesystem(self, fs: str, path: str) -> str:
        """An empty filesystem of that kind on a new directory: tmpfs, overlay or one of `disks`. It needs `fs:NAME`, and root.

        An overlay's layers are beside it, on a tmpfs: PATH.layers/lower, upper and work.
        """
        if fs == "tmpfs":
            return self.tmpfs(path)
        self.mkdir(path, 0o755)
        if fs == "overlay":
            layers = self.tmpfs(path + ".layers")
            self.do([("mkdir", "%s/%s" % (layers, name), 0o755) for name in ("lower", "upper", "work")])
            self.mount("overlay", path, "overlay", 0, "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work".format(layers))
            return path
        self.mount(disks.device(fs), path, fs, 0, None)
        self.finish()
        disks.empty(self.task, path)
        return path

    # Files

    def file(self, path: str, mode: int = 0o644, owner: int = 0, group: int = 0) -> str:
        """A new empty file; mode last, so that the change of owner does not touch it."""
        self.do([("try_open", path, O.CREAT | O.EXCL | O.WRONLY, 0o600), *_given(path, mode, owner, group)])
        return path

    def program(self, path: str, mode: int = 0o755, owner: int = 0, group: int = 0) -> str:
        """A new program for `run_program`, which says as which user it runs; the mode last, as for a file."""
        self.file(path)
        self.do([("write_program", path), *_given(path, mode, owner, group)])
        return path

    def sockets(self, count: int) -> List[int]:
        """New datagram sockets: one of these can be connected again and again, and nobody need listen."""
        return [self.socket(AF.UNIX, SOCK.DGRAM, 0) for _ in range(count)]

    def status(self, path: str, follow: bool = False) -> Dict[str, Any]:
        """Type, mode (octal text), owner, group and link count of a path, from statx(2)."""
        return dict(self.statx(AT_FDCWD, path, 0 if follow else AT.SYMLINK_NOFOLLOW, 0x7FF))

    # The machine

    def executable(self, path: str) -> bool:
        """Whether there is a program for us to run."""
        return self.task.arena.executable(path)

    def overflow_ids(self) -> List[int]:
        """The ids that stand for unmapped users and groups on this kernel just now."""
        return [int(self.task.arena.read("/proc/sys/kernel/" + name) or "") for name in ("overflowuid", "overflowgid")]

    # Callers

    def become(self, process: Process, uid: int, gid: int, groups: Sequence[int] = (),
               capabilities: Sequence[int] = ()) -> Process:
        """Turn a root process into a user that keeps just the named capabilities."""
        process.do(_becoming(uid, gid, groups, capabilities))
        return process

    def enter_sandbox(self) -> None:
        """Become what an ordinary user can be without help: root of one id in namespaces of its own.

        It works in a directory of its own there, as the lab's belongs to a user who is nobody inside.
        """
        uid, gid = (OWNER, GROUP) if self.privileged else (0, 0)
        if self.privileged:
            self.become(self, uid, gid)
        self.unshare(CLONE.NEWUSER | CLONE.NEWNS)
        self.map_ids(self, {0: uid}, {0: gid})
        self.do([("mount", "sandbox", ".", "tmpfs", 0, "mode=755"), ("chdir", os.path.join("..", os.path.basename(ROOT)))])

    def mapped(self, name: str, uids: Dict[int, int], gids: Dict[int, int], apart: bool = False) -> Process:
        """A process of OWNER and GROUP in a user namespace whose maps root wrote, so that they may hold any ids.

        apart: as for `fork`.
        """
        process = self.fork(name, apart)
        process.do([*_becoming(OWNER, GROUP, (), ()), ("unshare", CLONE.NEWUSER)])
        self.map_ids(process, uids, gids, by=self)
        return process

    def map_ids(self, process: Process, uids: Dict[int, int], gids: Dict[int, int],
                by: Optional[Process] = None) -> None:
        """Write the id maps of a process's user namespace, one line for each id inside.

        Written by the process itself unless `by` is given. An unprivileged writer must give up setgroups first
        (user_namespaces(7), 'Defining user and group ID mappings: writing to uid_map and gid_map').
        """
        writer = by or process
        proc = "/proc/self" if writer is process else "/proc/%d" % process.pid
        texts = {"setgroups": "deny" if writer is process else "", "uid_map": _map(uids), "gid_map": _map(gids)}
        # An empty map is one that was never written: writing nothing is EINVAL.
        writer.do(("write_file", "%s/%s" % (proc, name), text) for name, text in texts.items() if text)


def _given(path: str, mode: int, owner: int, group: int) -> List[Tuple[Any, ...]]:
    """The calls that give a new file of root's its owner, and then its mode."""
    return [*([("chown", path, owner, group)] if owner or group else []), ("chmod", path, mode)]


def _becoming(uid: int, gid: int, groups: Sequence[int], capabilities: Sequence[int]) -> List[Tuple[Any, ...]]:
    """The calls that turn root into a user with some capabilities."""
    held = list(capabilities)
    return [
        ("prctl", PR.SET_KEEPCAPS, 1),
        ("setgroups", len(groups), list(groups)),
        ("setresgid", gid, gid, gid),
        ("setresuid", uid, uid, uid),
        ("capset", {"effective": held, "permitted": held, "inheritable": []}),
        # After setuid a process is not dumpable and could not write its own id maps.
        ("prctl", PR.SET_DUMPABLE, 1),
    ]


def mount_flags(options: Iterable[str]) -> int:
    """The flags of mount(2) for options by their names in mountinfo."""
    value = 0
    for option in options:
        value |= MOUNT_FLAGS[option]
    return value


def mount_options(options: Iterable[str]) -> List[str]:
    """What mountinfo shows for such options, sorted: relatime is the default, strictatime the lack of a word."""
    words = set(options)
    default = [] if words & {"noatime", "strictatime"} else ["relatime"]
    return sorted(["ro" if "ro" in words else "rw", *default, *(words - {"ro", "relatime", "strictatime"})])


def user_name(uid: int, overflow: int = -1) -> str:
    """An id as observations name it: root, owner, other, group, overflow or its number."""
    return OVERFLOW if uid == overflow else USERS.get(uid, str(uid))


def numbers(mapping: Dict[Any, int], overflow: int) -> Dict[int, int]:
    """A map of ids in which OVERFLOW stands for the overflow id, which a machine may have changed."""
    return {overflow if inside == OVERFLOW else inside: outside for inside, outside in mapping.items()}


def _map(ids: Dict[int, int]) -> str:
    return "".join("%d %d 1\n" % pair for pair in sorted(ids.items()))
