#include <sys/stat.h>

/* Whether the time of last access is another than this. */
static const char *accessed(const char *path, long second)
{
    struct stat status;

    if (lstat(path, &status) != 0)
        return NULL;
    return status.st_atim.tv_sec != second ? "True" : "False";
}
