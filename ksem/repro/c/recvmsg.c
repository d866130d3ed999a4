#include "message.c"
#include "text.c"

/* The ids that came with a message, or none. */
static const char *sys_recvmsg(int fd, int flags)
{
    struct msghdr *received = message(0, 0);
    struct cmsghdr *header;
    struct ucred ids;

    if (recvmsg(fd, received, flags) == -1)
        return NULL;
    header = CMSG_FIRSTHDR(received);
    begin();
    add("{");
    if (header && header->cmsg_level == SOL_SOCKET &&
            header->cmsg_type == SCM_CREDENTIALS) {
        memcpy(&ids, CMSG_DATA(header), sizeof(ids));
        add("\"gid\": %u, \"uid\": %u", ids.gid, ids.uid);
    }
    add("}");
    return seen;
}
