#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mapped_file.c"

/* Map the first page of a file, shared and writable. */
static int map_file(const char *path)
{
    int error, fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd == -1)
        return -1;
    mapped_file =
            mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    error = errno;
    close(fd);
    errno = error;
    return mapped_file == MAP_FAILED ? -1 : 0;
}
