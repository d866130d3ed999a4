"""The program: what `ksem` and `python -m ksem` run.

Contract: `cli`. Ctrl-C before there is anybody to answer it ends the program without a word.
"""

import atexit
import os
import signal
import sys
from typing import NoReturn

# Not where it is ignored, as in the background of a script.
_HEEDED = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _HEEDED:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# What is imported here takes a tenth of a second and more.
from ksem import cli  # noqa: E402


def main() -> NoReturn:
    """`ksem.cli.main`; its status is the program's."""
    if _HEEDED:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # Whoever started us closed it: what we open next would take its number.
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
    status = cli.main()
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    # Python's own end takes all that there is apart, for 10 ms.
    os._exit(status)


if __name__ == "__main__":
    main()
