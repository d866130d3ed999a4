#include <sys/statvfs.h>

#include "text.c"

/* The options of the mount that a path or a descriptor lies on. */
static const char *mount_options_at(const char *path, int descriptor)
{
    static const struct {
        unsigned long flag;
        const char *name;
    } options[] = { { 0x400, "noatime" }, { 0x4, "nodev" },
        { 0x800, "nodiratime" }, { 0x8, "noexec" }, { 0x2, "nosuid" },
        { 0x2000, "nosymfollow" }, { 0x1000, "relatime" },
        { 0x1, "ro" } };
    struct statvfs status;
    const char *before = "";
    unsigned int i;

    if (descriptor >= 0 ? fstatvfs(descriptor, &status)
                        : statvfs(path, &status))
        return NULL;
    begin();
    add("[");
    for (i = 0; i < sizeof(options) / sizeof(*options); i++) {
        if (!(status.f_flag & options[i].flag))
            continue;
        add("%s\"%s\"", before, options[i].name);
        before = ", ";
    }
    if (!(status.f_flag & 0x1))
        add("%s\"rw\"", before);
    add("]");
    return seen;
}
