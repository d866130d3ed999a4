#include <sys/syscall.h>
#include <unistd.h>

#include "quoted.c"
#include "xattr_arguments.c"

#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#endif

static const char *sys_getxattrat(int dirfd, const char *path,
        unsigned int flags, const char *name)
{
    static char value[256];
    struct xattr_arguments arguments = { value, sizeof(value), 0 };
    long length = syscall(SYS_getxattrat, dirfd, path, flags, name,
            &arguments, sizeof(arguments));

    return length == -1 ? NULL : quoted(value, length);
}
