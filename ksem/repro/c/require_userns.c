#include <sched.h>

#include "frame.c"

/* In a child, as a user namespace cannot be left again. */
static void require_userns(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (geteuid() == 0 && setresuid(OWNER, OWNER, OWNER) != 0)
            _exit(1);
        _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    if (status != 0)
        cannot("needs user namespaces for ordinary users", "");
}
