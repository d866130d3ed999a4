#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error_name.c"
#include "text.c"

/* Take a handle of a path, following a link, and open that. */
static const char *open_by_handle(
        const char *path, int mount, int flags)
{
    struct {
        uint32_t handle_bytes, type;
        char handle[128];
    } handle = { 128, 0, { 0 } };
    uint64_t mount_id;
    long fd;

    begin();
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, path, &handle,
                &mount_id, AT_SYMLINK_FOLLOW) != 0) {
        add("{\"handle\": \"%s\", ", error_name(errno));
        add("\"open\": \"not tried\"}");
        return seen;
    }
    fd = syscall(SYS_open_by_handle_at, mount, &handle, flags);
    if (fd == -1)
        add("{\"handle\": \"ok\", \"open\": \"%s\"}",
                error_name(errno));
    else
        add("{\"handle\": \"ok\", \"open\": %ld}", fd);
    return seen;
}
