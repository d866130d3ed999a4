#include <sys/socket.h>

static int sys_setsockopt(int fd, int level, int option)
{
    return setsockopt(fd, level, option, &(int){ 1 }, sizeof(int));
}
