#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mapped_file.c"

/* Write to the page that was mapped, by a read(2) that may fail. */
static long store_mapped(const char *text)
{
    size_t length = strlen(text);
    int error, ends[2];
    long count = -1;

    if (pipe(ends) != 0)
        return -1;
    if (write(ends[1], text, length) == (ssize_t)length)
        count = read(ends[0], mapped_file, length);
    error = errno;
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return count;
}
