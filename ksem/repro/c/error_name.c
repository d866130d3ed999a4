#include <errno.h>
#include <stdio.h>

#ifndef EFTYPE
#define EFTYPE 134
#endif

/* strerrorname_np() is younger than many a libc. */
static const char *error_name(int code)
{
#define NAME(name) { name, #name }
    static const struct {
        int code;
        const char *name;
    } errors[] = { NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR),
        NAME(EIO), NAME(ENXIO), NAME(E2BIG), NAME(ENOEXEC), NAME(EBADF),
        NAME(ECHILD), NAME(EAGAIN), NAME(ENOMEM), NAME(EACCES),
        NAME(EFAULT), NAME(ENOTBLK), NAME(EBUSY), NAME(EEXIST),
        NAME(EXDEV), NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR),
        NAME(EINVAL), NAME(ENFILE), NAME(EMFILE), NAME(ENOTTY),
        NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE),
        NAME(EROFS), NAME(EMLINK), NAME(EPIPE), NAME(ERANGE),
        NAME(ENAMETOOLONG), NAME(ENOSYS), NAME(ENOTEMPTY), NAME(ELOOP),
        NAME(ENODATA), NAME(EOVERFLOW), NAME(EUSERS), NAME(ENOTSOCK),
        NAME(EDESTADDRREQ), NAME(EMSGSIZE), NAME(EPROTOTYPE),
        NAME(ENOPROTOOPT), NAME(EOPNOTSUPP), NAME(EADDRINUSE),
        NAME(EADDRNOTAVAIL), NAME(ECONNRESET), NAME(ENOTCONN),
        NAME(ECONNREFUSED), NAME(ESTALE), NAME(EUCLEAN), NAME(EDQUOT),
        NAME(EFTYPE) };
#undef NAME
    static char unknown[24];
    unsigned int i;

    for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
        if (errors[i].code == code)
            return errors[i].name;
    snprintf(unknown, sizeof(unknown), "errno %d", code);
    return unknown;
}
