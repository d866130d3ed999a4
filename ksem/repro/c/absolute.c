#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A path from the root, without "." and ".."; NULL if none is known. */
static const char *absolute(const char *path)
{
    static char whole[2 * PATH_MAX];
    char given[2 * PATH_MAX], directory[PATH_MAX], *word, *rest = given;

    if (!getcwd(directory, sizeof(directory)))
        return NULL;
    snprintf(given, sizeof(given), "%s/%s",
            *path == '/' ? "" : directory, path);
    whole[0] = '\0';
    while ((word = strtok_r(rest, "/", &rest))) {
        char *last = strrchr(whole, '/');

        if (strcmp(word, "..") == 0 && last)
            *last = '\0';
        else if (strcmp(word, ".") != 0 && strcmp(word, "..") != 0)
            strcat(strcat(whole, "/"), word);
    }
    return *whole ? whole : "/";
}
