#include <sys/socket.h>

#include "text.c"

static const char *sys_socketpair(int domain, int type, int protocol)
{
    int pair[2];

    if (socketpair(domain, type, protocol, pair) != 0)
        return NULL;
    begin();
    add("[%d, %d]", pair[0], pair[1]);
    return seen;
}
