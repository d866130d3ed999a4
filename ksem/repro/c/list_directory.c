#include <dirent.h>
#include <stdlib.h>

#include "add_quoted.c"
#include "with.c"

static int by_name(
        const struct dirent **one, const struct dirent **other)
{
    return strcmp((*one)->d_name, (*other)->d_name);
}

/*
 * The names in a directory, sorted. What is not among the known names
 * is the machine's, and shown as dots.
 */
static const char *list_known(const char *path, const char *known)
{
    struct dirent **entries;
    const char *before = "";
    int i, others = 0, count = scandir(path, &entries, NULL, by_name);

    if (count == -1)
        return NULL;
    begin();
    add("[");
    for (i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (known && !strstr(known, with("/%s/", name))) {
            others = 1;
            continue;
        }
        add("%s", before);
        add_quoted(name, strlen(name));
        before = ", ";
    }
    if (others)
        add("%s...", before);
    add("]");
    return seen;
}

#define list_directory(path) list_known(path, NULL)
