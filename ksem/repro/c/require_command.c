#include <unistd.h>

#include "frame.c"

static void require_command(const char *path)
{
    if (access(path, X_OK) == -1)
        cannot("no program ", path);
}
