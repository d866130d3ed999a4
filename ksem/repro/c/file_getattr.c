#include <sys/syscall.h>
#include <unistd.h>

#include "file_attributes.c"

#ifndef SYS_file_getattr
#define SYS_file_getattr 468
#endif

/* The flags of a file. */
static long sys_file_getattr(
        int dirfd, const char *path, unsigned int flags)
{
    struct file_attributes attributes = { 0 };

    if (syscall(SYS_file_getattr, dirfd, path, &attributes,
                sizeof(attributes), flags) != 0)
        return -1;
    return attributes.fa_xflags;
}
