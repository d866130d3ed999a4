#include <stdint.h>
#include <unistd.h>

#include "file_status.c"

/* struct mnt_id_req of linux/mount.h. */
struct mount_request {
    uint32_t size, mnt_fd;
    uint64_t mnt_id, param;
};

/* The id of a path's mount: one that is never used again. */
static uint64_t mount_id(const char *path)
{
    struct file_status status = { 0 };
    const unsigned int unique = 0x4000; /* STATX_MNT_ID_UNIQUE */

    if (syscall(SYS_statx, -100, path, 0, unique, &status) != 0 ||
            !(status.mask & unique))
        return 0;
    return status.mount_id;
}

static struct mount_request *sized(struct mount_request *request)
{
    request->size = sizeof(*request);
    return request;
}
