#include "absolute.c"
#include "add_quoted.c"
#include "mount_table.c"

/* The mount points at and below a path, from /proc/self/mountinfo. */
static const char *mounts_below(const char *path)
{
    const char *base = absolute(path), *before = "";
    size_t length = base && strcmp(base, "/") != 0 ? strlen(base) : 0;
    char *fields[FIELDS];
    FILE *table = base ? fopen("/proc/self/mountinfo", "r") : NULL;

    if (!table)
        return NULL;
    begin();
    add("[");
    while (next_mount(table, fields)) {
        const char *point = unescaped(fields[4]);

        if (strncmp(point, base, length) != 0 ||
                (point[length] != '/' && point[length] != '\0'))
            continue;
        point += length + (point[length] == '/');
        add("%s", before);
        add_quoted(*point ? point : ".", *point ? strlen(point) : 1);
        before = ", ";
    }
    add("]");
    fclose(table);
    return seen;
}
