#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 32

/* The fields of the next line of mountinfo; the fifth is the place. */
static int next_mount(FILE *table, char *fields[FIELDS])
{
    static char *line;
    static size_t size;
    char *rest;
    int count = 0;

    if (getline(&line, &size, table) == -1)
        return 0;
    rest = line;
    while (count < FIELDS - 1 &&
            (fields[count] = strtok_r(rest, " \n", &rest)))
        count++;
    fields[count] = NULL;
    return count;
}

/* Undo the octal escapes of a path, in place. */
static char *unescaped(char *path)
{
    char *from = path, *to = path;
    unsigned int code;

    while (*from) {
        if (*from == '\\' && sscanf(from + 1, "%3o", &code) == 1) {
            *to++ = code;
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return path;
}
