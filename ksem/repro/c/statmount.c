#include <sys/syscall.h>

#include "add_quoted.c"
#include "mount_request.c"

#ifndef SYS_statmount
#define SYS_statmount 457
#endif

/* The beginning of struct statmount of linux/mount.h. */
struct mount_status {
    uint32_t size, mnt_opts;
    uint64_t mask;
    uint32_t device[2];
    uint64_t sb_magic;
    uint32_t sb_flags, fs_type;
    uint64_t ids[3], mnt_attr, propagation[4];
    uint32_t mnt_root, mnt_point;
    uint64_t namespace_id;
    uint32_t fs_subtype, sb_source, options[6], uidmaps, rest[89];
    char texts[4096 - 512];
};

/* The names of the bits of a mask, from the lowest on. */
static void add_fields(uint64_t mask)
{
    static const char *const names[] = { "SB_BASIC", "MNT_BASIC",
        "PROPAGATE_FROM", "MNT_ROOT", "MNT_POINT", "FS_TYPE",
        "MNT_NS_ID", "MNT_OPTS", "FS_SUBTYPE", "SB_SOURCE", "OPT_ARRAY",
        "OPT_SEC_ARRAY", "SUPPORTED_MASK", "MNT_UIDMAP", "MNT_GIDMAP" };
    const char *before = "";
    int bit;

    add("{\"fields\": \"");
    for (bit = 0; bit < 15; bit++) {
        if (!(mask & 1ULL << bit))
            continue;
        add("%sSTATMOUNT_%s", before, names[bit]);
        before = "|";
    }
    if (mask >> 15)
        add("%s0x%llx", before, (unsigned long long)mask >> 15 << 15);
    add("%s\"", mask ? "" : "0");
}

static void add_text(const struct mount_status *status, int bit,
        const char *name, uint32_t place)
{
    if (!(status->mask & 1ULL << bit))
        return;
    add(", \"%s\": ", name);
    add_quoted(status->texts + place, strlen(status->texts + place));
}

/* Those of the fields that are the same in every run. */
static const char *sys_statmount(
        struct mount_request *request, int flags)
{
    static struct mount_status status;

    memset(&status, 0, sizeof(status));
    if (syscall(SYS_statmount, sized(request), &status, sizeof(status),
                flags) != 0)
        return NULL;
    begin();
    add_fields(status.mask);
    add_text(&status, 5, "fs_type", status.fs_type);
    if (status.mask & 1ULL << 1)
        add(", \"mnt_attr\": %llu",
                (unsigned long long)status.mnt_attr);
    add_text(&status, 7, "mnt_opts", status.mnt_opts);
    add_text(&status, 4, "mnt_point", status.mnt_point);
    add_text(&status, 3, "mnt_root", status.mnt_root);
    if (status.mask & 1ULL << 0)
        add(", \"sb_magic\": %llu",
                (unsigned long long)status.sb_magic);
    add_text(&status, 9, "sb_source", status.sb_source);
    if (status.mask & 1ULL << 13)
        add(", \"uidmaps\": %u", status.uidmaps);
    add("}");
    return seen;
}
