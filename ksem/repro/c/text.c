#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What was read last, as text. */
static char seen[1 << 16];
static size_t seen_length;

static void begin(void)
{
    seen[seen_length = 0] = '\0';
}

__attribute__((format(printf, 1, 2))) static void add(
        const char *format, ...)
{
    va_list arguments;
    size_t left = sizeof(seen) - seen_length;

    va_start(arguments, format);
    vsnprintf(seen + seen_length, left, format, arguments);
    va_end(arguments);
    seen_length += strlen(seen + seen_length);
}
