#include "frame.c"

static void require_alone(void)
{
    if (strcmp(told, "alone") != 0)
        cannot("changes settings of all of the machine: ",
                "where it has one of its own, tell it \"alone\"");
}
