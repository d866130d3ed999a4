#include <linux/capability.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct capability_sets {
    uint64_t effective, permitted, inheritable;
};

#define BIT(capability) (1ULL << (capability))

/* For the caller itself; libc has no declaration of it. */
static long sys_capset(const struct capability_sets *sets)
{
    struct __user_cap_header_struct header = {
        _LINUX_CAPABILITY_VERSION_3, 0
    };
    struct __user_cap_data_struct data[2];
    int half;

    for (half = 0; half < 2; half++) {
        data[half].effective = sets->effective >> 32 * half;
        data[half].permitted = sets->permitted >> 32 * half;
        data[half].inheritable = sets->inheritable >> 32 * half;
    }
    return syscall(SYS_capset, &header, data);
}
