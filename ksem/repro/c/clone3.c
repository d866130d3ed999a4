#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

/* The first version of struct clone_args of linux/sched.h. */
struct clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack,
            stack_size, tls;
};

static long sys_clone3(struct clone_arguments *arguments)
{
    return syscall(SYS_clone3, arguments, sizeof(*arguments));
}
