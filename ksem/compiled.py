"""The code of a project's case files, compiled and checked once for each text: that takes longer than to run one.

Contract: the standard library, `cache`, `model`. It is kept in the cache, so that none is left in the project, for this very
Python and this very ksem, whose files say what a sound case is. What is not there, or damaged, is compiled; a cache that cannot
be written to costs time alone.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import marshal
import sys
import types
from collections.abc import Iterable
from pathlib import Path

from ksem import cache
from ksem.model import KsemError

_DIGEST = hashlib.sha256().digest_size


class Compiled:
    """Of the case files below a directory."""

    def __init__(self, cases: Path) -> None:
        label = f"checked\0{cases}\0{sys.implementation.cache_tag}\0{importlib.util.MAGIC_NUMBER.hex()}"
        self._name = hashlib.sha256(label.encode()).hexdigest()[:24]
        self._stored = self._kept()
        self._codes = dict(self._stored)

    def code(self, path: Path, text: str) -> types.CodeType:
        """Of one file. Raises SyntaxError, and what else compile() does."""
        key = _key(path, text)
        if key not in self._codes:
            self._codes[key] = marshal.dumps(compile(text, str(path), "exec", dont_inherit=True))
        found: types.CodeType = marshal.loads(self._codes[key])
        return found

    def is_checked(self, path: Path, text: str) -> bool:
        """Whether a file was found to be sound when it was kept."""
        return _key(path, text) in self._stored

    def keep(self, files: Iterable[tuple[Path, str]]) -> None:
        """Keep the code of these files, which are sound, and no other, unless just that is kept."""
        keys = {_key(path, text) for path, text in files}
        wanted = {key: code for key, code in sorted(self._codes.items()) if key in keys}
        if wanted != self._stored:
            self._stored = wanted
            data = marshal.dumps((_judges(), wanted))
            with contextlib.suppress(KsemError):
                cache.write_atomically(cache.directory("cases") / self._name, hashlib.sha256(data).digest() + data)

    def _kept(self) -> dict[bytes, bytes]:
        with contextlib.suppress(OSError, KsemError):
            data = (cache.directory("cases") / self._name).read_bytes()
            # What marshal is given must be its own: anything else may crash the interpreter.
            if hashlib.sha256(data[_DIGEST:]).digest() == data[:_DIGEST]:
                judges, found = marshal.loads(data[_DIGEST:])
                if judges == _judges():
                    return dict(found)
        return {}


def _judges() -> str:
    """What tells the code that says whether a case is sound from other such code: all of ksem that either can use."""
    own = Path(__file__).parent
    paths = sorted([*own.glob("*.py"), *own.glob("guest/*.py")])
    return "\n".join(f"{path} {status.st_size} {status.st_mtime_ns}" for path in paths for status in [path.stat()])


def _key(path: Path, text: str) -> bytes:
    return hashlib.sha256(f"{path}\0{text}".encode(errors="surrogatepass")).digest()


@functools.cache
def of(cases: Path) -> Compiled:
    """Those of a directory, read once."""
    return Compiled(cases)
