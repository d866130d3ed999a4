"""Kernel modules that came along in the initramfs.

Contract: the standard library only. DIRECTORY holds NAME.ko files and `order.json`, which names for each module those that
are to be there before it, in order. On a machine that is not ours there is no such directory, and nothing is loaded.
"""

import ctypes
import errno
import json
import os
from typing import List, Optional

DIRECTORY = "/ksem/modules"
_FINIT_MODULE = {"x86_64": 313, "aarch64": 273}


def names() -> List[str]:
    """The modules that came along for their own sake, not because another needs them."""
    with open(os.path.join(DIRECTORY, "order.json")) as file:
        return sorted(json.load(file))


def load(name: str) -> Optional[str]:
    """Load a module with what it depends on: None, or why it cannot be had."""
    try:
        with open(os.path.join(DIRECTORY, "order.json")) as file:
            order = json.load(file).get(name)
    except OSError:
        return "its module is not loaded, and this machine is left as it is"
    if order is None:
        return "this kernel comes without such a module"
    failed = []
    for one in order:
        code = _finit_module(os.path.join(DIRECTORY, one + ".ko"))
        if code not in (0, errno.EEXIST):
            failed.append("loading the module %s failed with %s" % (one, errno.errorcode.get(code, code)))
        elif one == name:
            # A module that it only wishes for may be for another processor.
            return None
    return ", ".join(failed)


def _finit_module(path: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        number = _FINIT_MODULE[os.uname().machine]
        failed = libc.syscall(ctypes.c_long(number), ctypes.c_int(descriptor), b"", ctypes.c_int(0))
        return ctypes.get_errno() if failed else 0
    finally:
        os.close(descriptor)
