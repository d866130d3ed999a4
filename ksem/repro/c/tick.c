#include <time.h>

/*
 * Wait until the clock that stamps files has moved on. Twice, as the
 * first new time may be shown before the kernel's own copy has it.
 */
static const char *tick(void)
{
    static const struct timespec millisecond = { 0, 1000000 };
    struct timespec start, now;
    int i;

    for (i = 0; i < 2; i++) {
        clock_gettime(CLOCK_REALTIME_COARSE, &start);
        do {
            nanosleep(&millisecond, NULL);
            clock_gettime(CLOCK_REALTIME_COARSE, &now);
        } while (now.tv_sec == start.tv_sec &&
                now.tv_nsec == start.tv_nsec);
    }
    return "None";
}
