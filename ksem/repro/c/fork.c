#include "frame.c"

#define FORK(process, child) \
    do { \
        if (turn(P_##process)) \
            fork_process(P_##child); \
    } while (0)

/* The child goes on from here too, as another process. */
static void fork_process(int child)
{
    int pid = fork();

    if (pid == 0) {
        me = child;
        has_turn = 0;
        return;
    }
    if (pid == -1) {
        dprintf(1, "DIFFERS %s: fork() = %s\n", names[me],
                error_name(errno));
        hand_over(NOBODY);
        _exit(1);
    }
    shared->pid[child] = pid;
    shared->same++;
    dprintf(1, "same    %s: fork() = <%s>\n", names[me], names[child]);
}
