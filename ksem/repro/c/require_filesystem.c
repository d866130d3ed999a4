#include <sched.h>
#include <sys/mount.h>

#include "frame.c"

static int has_filesystem(const char *name)
{
    char line[256];
    int found = 0;
    FILE *table = fopen("/proc/filesystems", "r");

    while (table && fgets(line, sizeof(line), table)) {
        line[strcspn(line, "\n")] = '\0';
        found |= strcmp(strchr(line, '\t') + 1, name) == 0;
    }
    if (table)
        fclose(table);
    return found;
}

/* An attempt to mount it has the kernel load its module. */
static void require_filesystem(const char *name)
{
    pid_t pid;

    if (!has_filesystem(name) && (pid = fork()) >= 0) {
        if (pid == 0) {
            if (unshare(CLONE_NEWNS) == 0 &&
                    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ==
                            0)
                mount("none", "/", name, 0, NULL);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    if (!has_filesystem(name))
        cannot("no filesystem ", name);
}
