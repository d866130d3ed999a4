#include "add_quoted.c"

static const char *quoted(const char *bytes, size_t length)
{
    begin();
    add_quoted(bytes, length);
    return seen;
}
