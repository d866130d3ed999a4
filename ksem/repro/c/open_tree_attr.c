#include <sys/syscall.h>
#include <unistd.h>

#include "mount_attributes.c"

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif

static long sys_open_tree_attr(int dirfd, const char *path,
        unsigned int flags, struct mount_attributes *attributes)
{
    return syscall(SYS_open_tree_attr, dirfd, path, flags, attributes,
            sizeof(*attributes));
}
