#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.c"

/* Execute the program of write_program(): as whom it ran. */
static const char *run_program(const char *path)
{
    char *arguments[] = { (char *)path, NULL }, *none[] = { NULL };
    posix_spawn_file_actions_t actions;
    unsigned int ids[4] = { 0 };
    int ends[2], error;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    error = posix_spawn(&pid, path, &actions, NULL, arguments, none);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error == 0) {
        if (read(ends[0], ids, sizeof(ids)) != sizeof(ids))
            error = EIO;
        waitpid(pid, NULL, 0);
    }
    close(ends[0]);
    errno = error;
    if (error)
        return NULL;
    begin();
    add("{\"egid\": %u, \"euid\": %u}", ids[0], ids[2]);
    return seen;
}
