#include <stdarg.h>
#include <stdio.h>

/* A text with numbers in it, such as the path of a process. */
__attribute__((format(printf, 1, 2))) static const char *with(
        const char *format, ...)
{
    static char texts[4][4096];
    static int next;
    char *text = texts[next = (next + 1) % 4];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(texts[0]), format, arguments);
    va_end(arguments);
    return text;
}
