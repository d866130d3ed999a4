"""Kernel modules that came along, in the initramfs or beside it.

Contract: the standard library only. DIRECTORY holds ORDER, which names for each module those that are to be there before it,
in order, and NAME.ko files, as long as the kernel is to read them. On a machine that is not ours there is no such directory,
and nothing is loaded.
"""

import ctypes
import errno
import json
import os
from typing import Callable, List, Optional

DIRECTORY = "/ksem/modules"
ORDER = DIRECTORY + "/order.json"
# What the kernel said of each module that was tried, by its path: 0 or an errno.
LOADED = DIRECTORY + "/loaded.json"
# What it may say of a module that it takes another time.
PASSING = frozenset((errno.EAGAIN, errno.EINTR, errno.ENOMEM, errno.ENOSPC, errno.ETIMEDOUT))
# finit_module(2), by architecture.
FINIT_MODULE = {"x86_64": 313, "aarch64": 273}


def names(text: str) -> List[str]:
    """The modules that came along for their own sake, not because another needs them. text: that of ORDER."""
    return sorted(json.loads(text))


def load(name: str, text: Optional[str], insert: Callable[[str], int]) -> Optional[str]:
    """Load a module with what it depends on: None, or why it cannot be had.

    text: that of ORDER, if there is one. insert: has the kernel take the file of one; 0 or an errno.
    """
    if text is None:
        return "its module is not loaded, and this machine is left as it is"
    order = json.loads(text).get(name)
    if order is None:
        return "its module is not at hand"
    failed = []
    for one in order:
        code = insert("%s/%s.ko" % (DIRECTORY, one))
        if code not in (0, errno.EEXIST):
            failed.append("loading the module %s failed with %s" % (one, errno.errorcode.get(code, code)))
        elif one == name:
            # A module that it only wishes for may be for another processor.
            return None
    return ", ".join(failed)


def insert(path: str) -> int:
    """Have the kernel that we run on take one."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        number = FINIT_MODULE[os.uname().machine]
        failed = libc.syscall(ctypes.c_long(number), ctypes.c_int(descriptor), b"", ctypes.c_int(0))
        return ctypes.get_errno() if failed else 0
    finally:
        os.close(descriptor)
