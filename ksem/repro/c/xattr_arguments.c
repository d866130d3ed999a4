#include <stdint.h>

/* struct xattr_args of linux/xattr.h. */
struct xattr_arguments {
    const char *value;
    uint32_t size, flags;
};
