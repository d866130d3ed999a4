#include "frame.c"

static void require_root(void)
{
    unsigned long inside = 1, outside = 1, count = 0;
    FILE *map = fopen("/proc/self/uid_map", "r");

    if (map) {
        if (fscanf(map, "%lu %lu %lu", &inside, &outside, &count) != 3)
            count = 0;
        fclose(map);
    }
    if (geteuid() != 0 || inside || outside || count != 4294967295UL)
        cannot("needs root outside of any user namespace", "");
}
