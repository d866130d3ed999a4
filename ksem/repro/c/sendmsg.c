#include "message.c"

static long sys_sendmsg(int fd, struct msghdr *sent, int flags)
{
    return sendmsg(fd, sent, flags);
}
