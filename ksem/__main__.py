"""The program: what `ksem` and `python -m ksem` run.

Contract: `cli`. Ctrl-C before there is anybody to answer it ends the program without a word.
"""

import gc
import signal

# Not where it is ignored, as in the background of a script.
_HEEDED = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _HEEDED:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# What is imported here takes a tenth of a second and more.
from ksem import cli  # noqa: E402


def main() -> int:
    """See `ksem.cli.main`."""
    if _HEEDED:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    status = cli.main()
    # Python looks for garbage in all that there is once more before it ends, for 10 ms.
    gc.freeze()
    return status


if __name__ == "__main__":
    raise SystemExit(main())
