#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "file_status.c"

/* STATX_MNT_ID and STATX_MNT_ID_UNIQUE. */
enum { REUSED_ID = 0x1000, UNIQUE_ID = 0x4000 };

/* The id of a path's mount, 0 if the kernel does not tell it. */
static uint64_t mount_status(const char *path, unsigned int field,
        struct file_status *status)
{
    memset(status, 0, sizeof(*status));
    syscall(SYS_statx, AT_FDCWD, path, 0, field, status);
    return status->mask & field ? status->mount_id : 0;
}
