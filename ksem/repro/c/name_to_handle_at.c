#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whether the id of the mount is one that is never used again. */
static const char *sys_name_to_handle_at(
        int dirfd, const char *path, int flags)
{
    struct {
        uint32_t handle_bytes, type;
        char handle[128];
    } handle = { 128, 0, { 0 } };
    uint64_t mount_id = 0;

    if (syscall(SYS_name_to_handle_at, dirfd, path, &handle, &mount_id,
                flags) != 0)
        return NULL;
    return mount_id > 0x7fffffff ? "True" : "False";
}
