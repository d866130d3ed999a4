#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A setting of the machine, to be written back by write_kept(). */
static char kept[64];

static const char *keep(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (fd == -1)
        return NULL;
    length = read(fd, kept, sizeof(kept) - 1);
    close(fd);
    if (length == -1)
        return NULL;
    kept[length] = '\0';
    return "some";
}
