#include <stdint.h>

/* struct file_attr of linux/fs.h. */
struct file_attributes {
    uint64_t fa_xflags;
    uint32_t fa_extsize, fa_nextents, fa_projid, fa_cowextsize;
};
