#include "absolute.c"
#include "mount_table.c"
#include "add_quoted.c"

/* The mount points at and below a path, from /proc/self/mountinfo. */
static const char *mounts_below(const char *path)
{
    const char *base = absolute(path), *before = "";
    size_t length = base ? strlen(base) : 0;
    char *fields[FIELDS];
    FILE *table = base ? fopen("/proc/self/mountinfo", "r") : NULL;

    if (!table)
        return NULL;
    begin();
    add("[");
    while (next_mount(table, fields)) {
        char *point = unescaped(fields[4]);

        if (strncmp(point, base, length) != 0 ||
                (point[length] != '/' && point[length] != '\0'))
            continue;
        point = point[length] ? point + length + 1 : strcpy(point, ".");
        add("%s", before);
        add_quoted(point, strlen(point));
        before = ", ";
    }
    add("]");
    fclose(table);
    return seen;
}
