#include "unix_address.c"

static int sys_connect(int fd, const char *path)
{
    return connect(fd, unix_address(path), sizeof(struct sockaddr_un));
}
