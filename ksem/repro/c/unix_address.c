#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

static const struct sockaddr *unix_address(const char *path)
{
    static struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return (const struct sockaddr *)&address;
}
