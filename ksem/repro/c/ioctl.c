#include <stdint.h>
#include <sys/ioctl.h>

/* The number that it fills in; if it does not, what it returns. */
static long sys_ioctl(int fd, unsigned long request)
{
    const uint64_t nothing = ~0ULL;
    uint64_t filled = nothing;
    long value = ioctl(fd, request, &filled);

    if (value == -1 || filled == nothing)
        return value;
    return (uint32_t)filled;
}
