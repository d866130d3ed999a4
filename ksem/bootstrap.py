"""Starts an agent in any Python >= 3.6 that can be given a program: nothing is installed on the far side.

Contract: the standard library and the texts of `ksem.guest`. The program's standard input and output become
the agent's line; what it and the cases print goes to its standard error.
"""

from __future__ import annotations

import contextlib
import select
import subprocess
import time
from collections.abc import Collection, Iterator
from typing import IO, NamedTuple

from ksem.guest.wire import Channel
from ksem.machine import GUEST

_PROGRAM = """
import os, sys, types
if sys.version_info < (3, 6):
    sys.exit("this machine has Python %d.%d: the agent needs Python 3.6 or newer" % sys.version_info[:2])
texts = {texts!r}
for name, text in texts:
    module = sys.modules[name] = types.ModuleType(name)
    if name in ("ksem", "ksem.guest"):
        module.__path__ = []
    exec(compile(text, name.replace(".", "/") + ".py", "exec"), module.__dict__)
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
{serving}"""
_BESIDE = """
import os, sys, types
ksem, guest = (sys.modules.setdefault(name, types.ModuleType(name)) for name in ("ksem", "ksem.guest"))
# Nothing else of ksem: a case is to import here what it can import anywhere.
ksem.__path__, guest.__path__, ksem.guest = [], [{directory!r}], guest
# Before anybody waits for us.
import {main}
{serving}"""
_SERVING = """
source, sink = os.dup2(0, 250), os.dup2(1, 251)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
os.closerange(3, 250)
from ksem.guest import loader, wire
try:
    loader.serve(wire.Channel(250, 251))
except wire.Closed:
    pass
# Whoever closed the line waits for our end, and Python's own takes 5 ms.
sys.stdout.flush()
os._exit(0)
"""


class Agent(NamedTuple):
    """The line to an agent, and its process on this host."""

    channel: Channel
    process: subprocess.Popen[bytes]


def program() -> str:
    """The text of a Python program that becomes an agent."""
    names = ("wire", "loader")
    texts = [("ksem", ""), ("ksem.guest", "")]
    texts += [(f"ksem.guest.{name}", (GUEST / f"{name}.py").read_text()) for name in names]
    return _PROGRAM.format(texts=texts, serving=_SERVING)


def beside(main: str) -> str:
    """The same for this very Python on this host, which has all of ksem.guest where we have it, compiled.

    main: the module of ksem.guest that it will be told to start with.
    """
    return _BESIDE.format(directory=str(GUEST), main=main, serving=_SERVING)


@contextlib.contextmanager
def agent(command: list[str], errors: IO[bytes] | None, patience: float, inherited: Collection[int] = ()) -> Iterator[Agent]:
    """A command that runs the program, in a session of its own so that Ctrl-C reaches it through us.

    errors: where it says what is wrong; None for where we do. patience: seconds that it may take to end. inherited: descriptors
    that it is to have, under the same numbers.
    """
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                               start_new_session=True, bufsize=0, pass_fds=inherited)
    assert process.stdin
    assert process.stdout
    try:
        yield Agent(Channel(process.stdout.fileno(), process.stdin.fileno()), process)
    finally:
        # Its line closes: the agent ends the case at hand, with all its processes, and then itself.
        process.stdin.close()
        end = time.monotonic() + patience
        try:
            # Its own line ends with it; to wait with a timeout is to look now and then, up to 50 ms apart.
            select.select([process.stdout], [], [], patience)
            process.wait(timeout=max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
