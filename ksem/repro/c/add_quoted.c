#include "text.c"

/* Bytes as a literal of C. */
static void add_quoted(const char *bytes, size_t length)
{
    size_t i;

    add("\"");
    for (i = 0; i < length; i++) {
        unsigned char one = bytes[i];

        if (one == '\n')
            add("\\n");
        else if (one == '"' || one == '\\')
            add("\\%c", one);
        else if (one < ' ' || one > '~' || one == '?')
            add("\\%03o", one);
        else
            add("%c", one);
    }
    add("\"");
}
