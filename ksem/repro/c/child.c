#include "frame.c"

/* A process makes another. */
#define CHILD(process, child, call) \
    do { \
        if (turn(P_##process)) \
            born(P_##child, #call, call); \
    } while (0)

/* The child goes on from here too, as another process. */
static void born(int child, const char *call, long pid)
{
    char name[strlen(names[child]) + 3];

    if (pid == 0) {
        me = child;
        has_turn = 0;
        return;
    }
    sprintf(name, "<%s>", names[child]);
    check(call, name, pid == -1 ? error_name(errno) : name);
    if (pid == -1) {
        /* Nobody would take the child's turn. */
        hand_over(NOBODY);
        _exit(1);
    }
    shared->pid[child] = pid;
}
