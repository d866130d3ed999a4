#include "mount_status.c"
#include "text.c"

/* Whether a path's mount has ids, and whether the path is its root. */
static const char *mount_identity(const char *path)
{
    const unsigned int is_root = 0x2000; /* STATX_ATTR_MOUNT_ROOT */
    struct file_status status, other;
    int id = mount_status(path, REUSED_ID, &status) > 0;
    int unique = mount_status(path, UNIQUE_ID, &other) > 0x7fffffff;

    begin();
    add("{\"id\": %s, \"root of a mount\": ", id ? "true" : "false");
    if (status.attributes_mask & is_root)
        add("%s", status.attributes & is_root ? "true" : "false");
    else
        add("\"unknown\"");
    add(", \"unique id\": %s}", unique ? "true" : "false");
    return seen;
}
