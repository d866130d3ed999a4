"""The types of filesystems that kernels register, by the names that /proc/filesystems lists (filesystems(5)).

Contract: data alone. A case may need one of these; a name that is not here is a slip of the pen to whoever loads the case. They
are of 5.10 and later, also what was removed since; what a kernel mounts for itself and does not register (nsfs) is no such.
"""

from __future__ import annotations

# Backed by a disk, or an image of one.
_DISKS = """
adfs affs bcachefs befs bfs btrfs cramfs efs erofs exfat ext2 ext3 ext4 f2fs fuseblk gfs2 gfs2meta hfs hfsplus hpfs iso9660
jffs2 jfs minix msdos nilfs2 ntfs ntfs3 ocfs2 omfs qnx4 qnx6 reiserfs romfs squashfs sysv ubifs udf ufs v7 vfat vxfs xfs zonefs
"""
# Another machine, or a host, has the files.
_REMOTE = "9p afs ceph cifs coda hostfs nfs nfs4 pvfs2 smb3 vboxsf virtiofs"
# Memory, or layers over others.
_LAYERS = "autofs ecryptfs fuse hugetlbfs overlay ramfs tmpfs"
# An interface to the kernel.
_KERNEL = """
bdev binder binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs efivarfs functionfs fusectl gadgetfs ibmasmfs
ipathfs mqueue nfsd ocfs2_dlmfs openpromfs oprofilefs pipefs proc pstore resctrl rpc_pipefs s390_hypfs securityfs selinuxfs
smackfs sockfs spufs sysfs tracefs xenfs
"""
# Modules of their own projects, and of distributions.
_OUTSIDE = "aufs lustre shiftfs zfs"

FILESYSTEMS = frozenset(" ".join((_DISKS, _REMOTE, _LAYERS, _KERNEL, _OUTSIDE)).split())
