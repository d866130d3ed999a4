#include "run.c"
#include "text.c"

/* Execute the program that says its capabilities. */
static const char *run_capabilities(const char *path)
{
    unsigned int sets[6];
    unsigned long long whole[3];
    int i;

    if (run(path, sets, sizeof(sets)) != 0)
        return NULL;
    for (i = 0; i < 3; i++)
        whole[i] = sets[i] | (unsigned long long)sets[i + 3] << 32;
    begin();
    add("{\"effective\": %llu, \"inheritable\": %llu, ", whole[0],
            whole[2]);
    add("\"permitted\": %llu}", whole[1]);
    return seen;
}
