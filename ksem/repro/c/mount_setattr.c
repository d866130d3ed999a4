#include <sys/syscall.h>
#include <unistd.h>

#include "mount_attributes.c"

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

static long sys_mount_setattr(int dirfd, const char *path,
        unsigned int flags, struct mount_attributes *attributes)
{
    return syscall(SYS_mount_setattr, dirfd, path, flags, attributes,
            sizeof(*attributes));
}
