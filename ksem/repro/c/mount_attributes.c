#include <stdint.h>

/* struct mount_attr of linux/mount.h. */
struct mount_attributes {
    uint64_t attr_set, attr_clr, propagation, userns_fd;
};
