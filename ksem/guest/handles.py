"""Files opened by a handle instead of a path: name_to_handle_at(2) and open_by_handle_at(2), one after the other.

Contract: the standard library. A handle is bytes that differ from run to run, so that it stays in here.
"""

import ctypes
import errno
import os
import struct
from typing import Dict, Union

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD, _AT_SYMLINK_FOLLOW, _ROOM = -100, 0x400, 128


def open_by_handle(path: str, mount: int, flags: int) -> Dict[str, Union[str, int]]:
    """Take a handle of a path, following a link at its end, and open that: by a descriptor of its filesystem, or a FD_*_ROOT.

    {"handle": "ok", "open": descriptor}, with the errno's name of the one that fails, and "not tried" for what comes after.
    """
    handle = ctypes.create_string_buffer(struct.pack("=Ii", _ROOM, 0), 8 + _ROOM)
    mount_id = ctypes.c_int()
    if _libc.name_to_handle_at(ctypes.c_int(_AT_FDCWD), os.fsencode(path), handle, ctypes.byref(mount_id),
                               ctypes.c_int(_AT_SYMLINK_FOLLOW)):
        return {"handle": _errno(), "open": "not tried"}
    descriptor = _libc.open_by_handle_at(ctypes.c_int(mount), handle, ctypes.c_int(flags))
    return {"handle": "ok", "open": _errno() if descriptor < 0 else descriptor}


def _errno() -> str:
    code = ctypes.get_errno()
    return "EOPNOTSUPP" if code == errno.EOPNOTSUPP else errno.errorcode.get(code, str(code))
