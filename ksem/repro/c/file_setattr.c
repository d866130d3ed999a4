#include <sys/syscall.h>
#include <unistd.h>

#include "file_attributes.c"

#ifndef SYS_file_setattr
#define SYS_file_setattr 469
#endif

static long sys_file_setattr(int dirfd, const char *path,
        struct file_attributes *attributes, unsigned int flags)
{
    return syscall(SYS_file_setattr, dirfd, path, attributes,
            sizeof(*attributes), flags);
}
