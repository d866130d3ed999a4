#include "unix_address.c"

static int sys_bind(int fd, const char *path)
{
    return bind(fd, unix_address(path), sizeof(struct sockaddr_un));
}
