#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Map a file as the dynamic linker maps a library. */
static const char *map_executable(const char *path)
{
    int error, fd = open(path, O_RDONLY | O_CLOEXEC);
    void *mapped;

    if (fd == -1)
        return NULL;
    mapped =
            mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    error = errno;
    if (mapped != MAP_FAILED)
        munmap(mapped, 4096);
    close(fd);
    errno = error;
    return mapped == MAP_FAILED ? NULL : "None";
}
