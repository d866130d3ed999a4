#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.c"
#include "with.c"

static void add_ids(const char *name, const char *line)
{
    const char *before = "";
    char *end;
    unsigned long id;

    add("\"%s\": [", name);
    for (;; line = end, before = ", ") {
        id = strtoul(line, &end, 10);
        if (end == line)
            break;
        add("%s%lu", before, id);
    }
    add("]");
}

/* Who a process is, from the status file in its directory of /proc. */
static const char *credentials(const char *directory)
{
    static const char *const names[] = {
        "Uid:", "Gid:", "Groups:", "CapEff:"
    };
    char line[4][4096], read[4096];
    unsigned long long held, last = 0;
    unsigned int i;
    FILE *status = fopen(with("%s/status", directory), "r"), *caps;

    if (!status)
        return NULL;
    while (fgets(read, sizeof(read), status))
        for (i = 0; i < 4; i++)
            if (strncmp(read, names[i], strlen(names[i])) == 0)
                strcpy(line[i], read + strlen(names[i]));
    fclose(status);
    caps = fopen("/proc/sys/kernel/cap_last_cap", "r");
    if (!caps)
        return NULL;
    if (fscanf(caps, "%llu", &last) != 1)
        last = 63;
    fclose(caps);
    held = strtoull(line[3], NULL, 16);
    begin();
    if (held == 0 || held == (2ULL << last) - 1)
        add("{\"capabilities\": \"%s\", ", held ? "all" : "none");
    else
        add("{\"capabilities\": \"%llx\", ", held);
    add_ids("gid", line[1]);
    add(", ");
    add_ids("groups", line[2]);
    add(", ");
    add_ids("uid", line[0]);
    add("}");
    return seen;
}
