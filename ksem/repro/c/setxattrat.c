#include <sys/syscall.h>
#include <unistd.h>

#include "xattr_arguments.c"

#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif

static long sys_setxattrat(int dirfd, const char *path,
        unsigned int flags, const char *name,
        struct xattr_arguments *arguments)
{
    return syscall(SYS_setxattrat, dirfd, path, flags, name, arguments,
            sizeof(*arguments));
}
