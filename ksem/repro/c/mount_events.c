#include <errno.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "text.c"

/* What a fanotify group of mounts has to tell, as far as it has. */
static const char *mount_events(int fd)
{
    const unsigned long attach = 0x01000000, detach = 0x02000000;
    struct fanotify_event_metadata event;
    char events[4096];
    ssize_t place, length = read(fd, events, sizeof(events));

    if (length == -1 && errno != EAGAIN)
        return NULL;
    begin();
    add("[");
    for (place = 0; place < length; place += event.event_len) {
        memcpy(&event, events + place, sizeof(event));
        add("%s\"%s%s%s\"", place ? ", " : "",
                event.mask & attach ? "attach" : "",
                event.mask & attach && event.mask & detach ? " and "
                                                           : "",
                event.mask & detach ? "detach" : "");
    }
    add("]");
    return seen;
}
