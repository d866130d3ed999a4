#include "frame.c"

static volatile sig_atomic_t caught;

static void end_all(int signal_number)
{
    caught = signal_number;
    kill(-first, SIGKILL);
    kill(first, SIGKILL);
}

/* As the case starts: descriptors from 3 on are free, umask is 022. */
static void prepare(void)
{
    int descriptor;

    while ((descriptor = open("/dev/null", O_RDWR)) >= 0 &&
            descriptor < 3)
        ;
    for (descriptor = 3; descriptor < 1024; descriptor++)
        close(descriptor);
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    if (chdir("/") != 0)
        cannot("chdir to /", "");
}

/* Wait for the first process, and leave none behind. */
static void wait_for_all(void)
{
    static const int signals[] = { SIGALRM, SIGHUP, SIGINT, SIGTERM };
    unsigned int i;

    for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        signal(signals[i], end_all);
    alarm(PATIENCE);
    while (waitpid(first, NULL, 0) == -1 && errno == EINTR)
        ;
    kill(-first, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

int main(int count, char **words)
{
    if (count > 1)
        told = words[1];
    prepare();
    require();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        cannot("mmap: ", error_name(errno));
    /* Orphans come to this process, so that it can wait for them. */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    first = fork();
    if (first == -1)
        cannot("fork: ", error_name(errno));
    if (first == 0) {
        setsid();
        shared->pid[me] = getpid();
        has_turn = 1;
        steps();
        if (has_turn)
            hand_over(NOBODY);
        wait_for(NOBODY);
        _exit(0);
    }
    wait_for_all();
    if (caught && caught != SIGALRM)
        return 128 + caught;
    if (shared->turn != NOBODY)
        printf("it did not end%s\n", caught ? " in time" : "");
    printf("%d of %d results are those of %s\n", shared->same, RESULTS,
            SEEN_ON);
    return shared->same != RESULTS;
}
