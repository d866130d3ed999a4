#include <errno.h>

#include "absolute.c"
#include "mount_table.c"
#include "text.c"

static void add_words(char *words, const char *separators)
{
    const char *before = "";
    char *word;

    while ((word = strtok_r(words, separators, &words))) {
        add("%s\"%s\"", before, word);
        before = ", ";
    }
}

static void describe_mount(char *fields[FIELDS])
{
    const char *before = "";
    int i, dash = 6;

    while (fields[dash] && strcmp(fields[dash], "-") != 0)
        dash++;
    begin();
    add("{\"flags\": [");
    add_words(fields[5], ",");
    add("], \"fstype\": \"%s\", \"propagation\": [", fields[dash + 1]);
    /* Of "shared:7" the number differs from run to run. */
    for (i = 6; i < dash; i++) {
        add("%s\"%s\"", before, strtok(fields[i], ":"));
        before = ", ";
    }
    add("%s], \"superblock\": \"%s\"}", dash == 6 ? "\"private\"" : "",
            strtok(fields[dash + 3], ","));
}

/* The topmost mount on a path, from /proc/self/mountinfo. */
static const char *mountinfo(const char *path)
{
    const char *target = absolute(path);
    char *fields[FIELDS];
    FILE *table = target ? fopen("/proc/self/mountinfo", "r") : NULL;

    if (!table)
        return NULL;
    begin();
    while (next_mount(table, fields))
        if (strcmp(unescaped(fields[4]), target) == 0)
            describe_mount(fields);
    fclose(table);
    errno = ENOENT;
    return seen_length ? seen : NULL;
}
