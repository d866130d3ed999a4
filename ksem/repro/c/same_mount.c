#include "mount_status.c"

/* Whether two paths have the same mount id. */
static const char *same_mount(
        const char *path, const char *other, int unique)
{
    unsigned int field = unique ? UNIQUE_ID : REUSED_ID;
    struct file_status status;
    uint64_t id = mount_status(path, field, &status);

    return id == mount_status(other, field, &status) ? "True" : "False";
}
