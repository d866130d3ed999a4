#include <sys/xattr.h>

#include "quoted.c"

static const char *sys_getxattr(const char *path, const char *name)
{
    static char value[256];
    ssize_t length = getxattr(path, name, value, sizeof(value));

    return length == -1 ? NULL : quoted(value, length);
}
