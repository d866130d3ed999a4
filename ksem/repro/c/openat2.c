#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* struct open_how of linux/openat2.h. */
struct how_to_open {
    uint64_t flags, mode, resolve;
};

static long sys_openat2(
        int dirfd, const char *path, struct how_to_open *how)
{
    return syscall(SYS_openat2, dirfd, path, how, sizeof(*how));
}
