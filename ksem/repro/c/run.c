#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

/* Execute a program, which writes so many bytes. */
static int run(const char *path, void *said, ssize_t size)
{
    char *arguments[] = { (char *)path, NULL }, *none[] = { NULL };
    posix_spawn_file_actions_t actions;
    int ends[2], error;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    error = posix_spawn(&pid, path, &actions, NULL, arguments, none);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error == 0) {
        if (read(ends[0], said, size) != size)
            error = EIO;
        waitpid(pid, NULL, 0);
    }
    close(ends[0]);
    errno = error;
    return error ? -1 : 0;
}
