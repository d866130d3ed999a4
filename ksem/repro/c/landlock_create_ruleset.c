#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

/* struct landlock_ruleset_attr of linux/landlock.h. */
struct ruleset {
    uint64_t handled_access_fs;
};

static long sys_landlock_create_ruleset(
        struct ruleset *ruleset, size_t size, unsigned int flags)
{
    return syscall(SYS_landlock_create_ruleset, ruleset, size, flags);
}
