#include "frame.c"

static void require_syscall(long number, const char *name)
{
    if (syscall(number, -1L, 0L, 0L, 0L, 0L) == -1 && errno == ENOSYS)
        cannot("no system call ", name);
}
