"""Where things are kept between runs: below the user's cache directory.

Contract: the standard library, platformdirs and `model`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TypeAlias

import platformdirs

from ksem.model import KsemError


def directory(*parts: str) -> Path:
    """A directory of the cache, made if need be. Raises KsemError where it cannot be made."""
    root = platformdirs.user_cache_path("ksem")
    path = root.joinpath(*parts)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KsemError(f"the cache {path} cannot be made ({error.strerror}): "
                        "point XDG_CACHE_HOME at a directory of yours") from None
    return path


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Alone with an existing directory: another run waits. Nothing is left behind, not even by a crash.

    waiting: called when we have to wait for another run.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# What a file is to hold, or who writes it.
Content: TypeAlias = bytes | Callable[[IO[bytes]], object]


def write_atomically(path: Path, data: Content) -> None:
    """All of it, or the file as it was. Raises KsemError for a full or read-only disk."""
    write_together({path: data})


def write_together(files: Mapping[Path, Content]) -> None:
    """All files in this order, each as a whole, or none where one finds no room. Raises KsemError, which names that one."""
    # mkstemp makes files private; results and caches are as readable as any other file.
    umask = os.umask(0)
    os.umask(umask)
    with contextlib.ExitStack() as stack:
        written = []
        for path, data in files.items():
            with _writing(path):
                with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
                    temporary = Path(file.name)
                    stack.callback(temporary.unlink, missing_ok=True)
                    if isinstance(data, bytes):
                        file.write(data)
                    else:
                        data(file.file)
                temporary.chmod(0o666 & ~umask)
            written.append((temporary, path))
        for temporary, path in written:
            with _writing(path):
                temporary.replace(path)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What goes wrong is told of that file."""
    try:
        yield
    except OSError as error:
        raise KsemError(f"{path} cannot be written: {error.strerror}") from None


def boot_note(name: str) -> str | None:
    """What was noted under a name since this machine was started, or None."""
    try:
        boot, _, text = (directory() / name).read_text().partition(" ")
    except OSError:
        return None
    return text if boot == boot_id() else None


def set_boot_note(name: str, text: str) -> None:
    """Note a fact that holds until this machine is started again."""
    write_atomically(directory() / name, f"{boot_id()} {text}".encode())


def boot_id() -> str:
    """What tells this start of the machine from others: a UUID."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
