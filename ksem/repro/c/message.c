#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A message of one byte with the ids of a process. */
static struct msghdr *message(unsigned int uid, unsigned int gid)
{
    static union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    static char byte;
    static struct iovec data = { &byte, 1 };
    static struct msghdr message;
    struct ucred ids = { getpid(), uid, gid };

    control.header.cmsg_len = CMSG_LEN(sizeof(ids));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_CREDENTIALS;
    memcpy(CMSG_DATA(&control.header), &ids, sizeof(ids));
    message = (struct msghdr){ .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control) };
    return &message;
}
