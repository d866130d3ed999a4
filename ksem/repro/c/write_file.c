#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Write a text to a file in one write(2), as /proc wants it. */
static long write_file(const char *path, const char *text)
{
    int error, fd = open(path, O_WRONLY | O_CLOEXEC);
    long count;

    if (fd == -1)
        return -1;
    count = write(fd, text, strlen(text));
    error = errno;
    close(fd);
    errno = error;
    return count;
}
