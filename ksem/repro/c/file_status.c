#include <stdint.h>
#include <sys/syscall.h>

#ifndef SYS_statx
#define SYS_statx 332 /* x86-64 */
#endif

/* struct statx, which an old libc has not. */
struct file_status {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, spare;
    uint64_t inode, size, blocks, attributes_mask, times[10], mount_id,
            more[13];
};
