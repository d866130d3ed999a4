#include "frame.c"

static int caller_uid, caller_gid;

static void require_ordinary_user(void)
{
    caller_uid = geteuid();
    caller_gid = getegid();
    if (caller_uid == 0)
        cannot("needs an ordinary user, not root", "");
}
