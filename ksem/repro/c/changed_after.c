#include <sys/stat.h>

/* Whether the status of a path was changed after that of another. */
static const char *changed_after(const char *path, const char *other)
{
    struct stat one, two;

    if (lstat(path, &one) != 0 || lstat(other, &two) != 0)
        return NULL;
    if (one.st_ctim.tv_sec != two.st_ctim.tv_sec)
        return one.st_ctim.tv_sec > two.st_ctim.tv_sec ? "True"
                                                       : "False";
    return one.st_ctim.tv_nsec > two.st_ctim.tv_nsec ? "True" : "False";
}
