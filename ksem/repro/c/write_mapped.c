#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Write a text to a file that is as long, by a shared mapping. */
static long write_mapped(const char *path, const char *text)
{
    int error, fd = open(path, O_RDWR | O_CLOEXEC);
    size_t length = strlen(text);
    char *mapped;

    if (fd == -1)
        return -1;
    mapped = mmap(
            NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    error = errno;
    if (mapped != MAP_FAILED) {
        memcpy(mapped, text, length);
        munmap(mapped, length);
    }
    close(fd);
    errno = error;
    return mapped == MAP_FAILED ? -1 : (long)length;
}
