"""The numbers of system calls: arch/x86/entry/syscalls/syscall_64.tbl.

Contract: data.
"""

from typing import Dict

NUMBERS: Dict[str, int] = {
    "read": 0, "write": 1, "open": 2, "close": 3, "ioctl": 16, "access": 21, "socket": 41, "connect": 42, "sendmsg": 46,
    "recvmsg": 47, "bind": 49, "listen": 50, "socketpair": 53, "setsockopt": 54, "getsockopt": 55, "clone": 56,
    "fcntl": 72, "truncate": 76, "ftruncate": 77, "chdir": 80, "fchdir": 81, "rename": 82, "mkdir": 83, "rmdir": 84,
    "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94,
    "umask": 95, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "setgroups": 116, "setresuid": 117,
    "setresgid": 119, "capset": 126, "mknod": 133, "pivot_root": 155, "prctl": 157, "chroot": 161, "mount": 165,
    "umount2": 166, "setxattr": 188, "getxattr": 191, "removexattr": 197, "utimes": 235, "openat": 257, "mkdirat": 258,
    "fchownat": 260, "linkat": 265, "unshare": 272, "utimensat": 280, "fallocate": 285, "accept4": 288,
    "fanotify_init": 300, "fanotify_mark": 301, "name_to_handle_at": 303, "setns": 308, "renameat2": 316, "seccomp": 317,
    "memfd_create": 319, "execveat": 322, "copy_file_range": 326, "statx": 332, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435, "close_range": 436,
    "openat2": 437, "pidfd_getfd": 438, "faccessat2": 439, "mount_setattr": 442, "landlock_create_ruleset": 444,
    "landlock_restrict_self": 446, "fchmodat2": 452, "statmount": 457, "listmount": 458, "setxattrat": 463,
    "getxattrat": 464, "open_tree_attr": 467, "file_getattr": 468, "file_setattr": 469, "listns": 470, "fchroot": 472,
}
