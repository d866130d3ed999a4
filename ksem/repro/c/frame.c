#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "error_name.c"

/* Seconds after which it is given up. */
#ifndef PATIENCE
#define PATIENCE 60
#endif
/* What git bisect takes for "cannot be tested". */
#define CANNOT 125
#define NOBODY (-1)

/*
 * Every process runs through all steps, and makes those that are its
 * own when its turn has come. This is what they share.
 */
static struct {
    int turn;
    int pid[PROCESSES];
    int same;
} *shared;
static int me;
static int has_turn;
static pid_t first;
/* The word that the program was given. */
static const char *told = "";

static void hand_over(int process)
{
    has_turn = 0;
    __atomic_store_n(&shared->turn, process, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &shared->turn, FUTEX_WAKE, PROCESSES, NULL, NULL,
            0);
}

/* Nobody waits for ever, should the one whose turn it is be gone. */
static void wait_for(int process)
{
    static const struct timespec patience = { PATIENCE, 0 };
    int now;

    while ((now = __atomic_load_n(&shared->turn, __ATOMIC_SEQ_CST)) !=
            process)
        if (syscall(SYS_futex, &shared->turn, FUTEX_WAIT, now,
                    &patience, NULL, 0) == -1 &&
                errno == ETIMEDOUT)
            _exit(1);
}

/* Whether the next step is this process's own; once it is its turn. */
static int turn(int process)
{
    if (process != me) {
        if (has_turn)
            hand_over(process);
        return 0;
    }
    if (!has_turn)
        wait_for(me);
    return has_turn = 1;
}

/* C joins literals side by side, but not where it makes code text. */
static const char *joined(char *text, const char *code)
{
    char *end = text;

    for (; *code; code++) {
        if (strncmp(code, "\" \"", 3) == 0)
            code += 3;
        *end++ = *code;
    }
    *end = '\0';
    return text;
}

static void check(const char *call, const char *wanted, const char *got)
{
    char made[strlen(call) + 1], expected[strlen(wanted) + 1];
    int same = strcmp(got, joined(expected, wanted)) == 0;

    if (strncmp(call, "sys_", 4) == 0)
        call += 4;
    shared->same += same;
    dprintf(1, "%s %s: %s = %s", same ? "same   " : "DIFFERS",
            names[me], joined(made, call), got);
    if (same)
        dprintf(1, "\n");
    else
        dprintf(1, ", expected %s\n", expected);
}

static const char *number(long value)
{
    static char text[24];

    if (value == -1)
        return error_name(errno);
    snprintf(text, sizeof(text), "%ld", value);
    return text;
}

static const char *text(const char *value)
{
    return value ? value : error_name(errno);
}

/* A process makes a call, which is to give this. */
#define CALL(process, call, ...) \
    do { \
        if (turn(P_##process)) \
            check(#call, #__VA_ARGS__, SHOWN(call)); \
    } while (0)
#define PID(process) (shared->pid[P_##process])
#define SHOWN(call) \
    _Generic((call), const char *: text, default: number)(call)

static void cannot(const char *reason, const char *what)
{
    fprintf(stderr, "cannot be run here: %s%s\n", reason, what);
    exit(CANNOT);
}
