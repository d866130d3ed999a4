#include "mount_status.c"

/* struct mnt_id_req of linux/mount.h. */
struct mount_request {
    uint32_t size, mnt_fd;
    uint64_t mnt_id, param;
};

/* The id of a path's mount: one that is never used again. */
static uint64_t mount_id(const char *path)
{
    struct file_status status;

    return mount_status(path, UNIQUE_ID, &status);
}

static struct mount_request *sized(struct mount_request *request)
{
    request->size = sizeof(*request);
    return request;
}
