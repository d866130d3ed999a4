#include <fcntl.h>
#include <unistd.h>

#include "quoted.c"

/* The content of a small file. */
static const char *read_file(const char *path)
{
    static char content[1 << 14];
    size_t length = 0;
    ssize_t count;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return NULL;
    while ((count = read(fd, content + length,
                    sizeof(content) - length)) > 0)
        length += count;
    close(fd);
    return count == -1 ? NULL : quoted(content, length);
}
