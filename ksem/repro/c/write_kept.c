#include "keep.c"
#include "write_file.c"

static long write_kept(const char *path)
{
    return write_file(path, kept) == (long)strlen(kept) ? 0 : -1;
}
