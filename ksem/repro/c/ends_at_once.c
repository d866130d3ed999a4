#include <sys/wait.h>
#include <unistd.h>

/* For a child that nobody needs: only whether it can be made. */
static long ends_at_once(long pid)
{
    if (pid == 0)
        _exit(0);
    if (pid == -1)
        return -1;
    waitpid(pid, NULL, __WALL);
    return 0;
}
