#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "add_quoted.c"
#include "error_name.c"

/* Structures and requests of linux/seccomp.h. */
struct notification {
    uint64_t id, rest[9];
};
struct response {
    uint64_t id;
    int64_t value;
    int32_t error;
    uint32_t flags;
};
struct descriptor {
    uint64_t id;
    uint32_t flags, from, to, its_flags;
};

static int respond(
        int listener, uint64_t id, long value, int error, int flags)
{
    struct response response = { id, value, error, flags };

    return ioctl(listener, _IOWR('!', 1, struct response), &response);
}

/* Whatever becomes of it, the call is answered in the end. */
static int answer_call(
        int listener, uint64_t id, const char *answer, int number)
{
    const int goes_on = 1, at_once = 2, place = 77;
    int error, result;

    if (strcmp(answer, "errno") == 0) {
        result = respond(listener, id, 0, -number, 0);
    } else if (strcmp(answer, "value") == 0) {
        result = respond(listener, id, number, 0, 0);
    } else if (strcmp(answer, "continue") == 0) {
        result = respond(listener, id, 0, 0, goes_on);
    } else {
        struct descriptor handed = { id, 1, number, place, 0 };

        if (strcmp(answer, "descriptor at once") == 0)
            handed.flags |= at_once;
        result = ioctl(
                listener, _IOW('!', 3, struct descriptor), &handed);
        error = errno;
        if (!(handed.flags & at_once))
            respond(listener, id, place, 0, 0);
        errno = error;
    }
    error = errno;
    respond(listener, id, 0, 0, goes_on);
    errno = error;
    return result;
}

/* Have a child open and read a path, and answer that in its stead. */
static const char *supervised(int listener, const char *path,
        const char *answer, int number)
{
    struct notification notification = { 0 };
    struct {
        int opened, length, error[2];
        char content[64];
    } told = { 0 };
    int ends[2], result;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    pid = fork();
    if (pid == 0) {
        told.opened = syscall(SYS_openat, AT_FDCWD, path,
                O_CREAT | O_CLOEXEC, 0644);
        told.error[0] = errno;
        told.length =
                read(told.opened, told.content, sizeof(told.content));
        told.error[1] = errno;
        if (write(ends[1], &told, sizeof(told)) != sizeof(told))
            _exit(1);
        _exit(0);
    }
    if (pid == -1)
        return NULL;
    if (ioctl(listener, _IOWR('!', 0, struct notification),
                &notification) != 0)
        return NULL;
    result = answer_call(listener, notification.id, answer, number);
    begin();
    add("{\"answer\": \"%s\", \"content\": ",
            result < 0 ? error_name(errno) : "ok");
    close(ends[1]);
    if (read(ends[0], &told, sizeof(told)) != sizeof(told))
        return NULL;
    close(ends[0]);
    waitpid(pid, NULL, 0);
    if (told.length < 0)
        add("\"%s\"", error_name(told.error[1]));
    else
        add_quoted(told.content, told.length);
    add(", \"opened\": \"%s\"}",
            told.opened < 0 ? error_name(told.error[0]) : "ok");
    return seen;
}
