#include <sys/socket.h>

#include "text.c"

/* A number, or the ids of a peer without the one of its process. */
static const char *sys_getsockopt(int fd, int level, int option)
{
    unsigned int value[3];
    socklen_t size = sizeof(value);

    if (getsockopt(fd, level, option, value, &size) != 0)
        return NULL;
    begin();
    if (size == sizeof(*value))
        add("%d", (int)value[0]);
    else
        add("{\"gid\": %u, \"uid\": %u}", value[2], value[1]);
    return seen;
}
