#include "frame.c"

static void require_disk(const char *device)
{
    if (access(device, F_OK) != 0)
        cannot("see the top of the source for how to make ", device);
}
