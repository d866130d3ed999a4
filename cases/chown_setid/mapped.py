"""What a former owner has mapped it goes on writing to, after chown and chmod, without any trace in mode or owner.

A shared mapping is made through a descriptor, whose rights were decided when it was opened, and it outlives the descriptor. A
store into it is no call: nothing is asked again, and nothing is cleared. So the new owner of a file finds its content changed
by somebody who may no longer open it; and where the new owner makes it a set-user-id program, the bit stays while the content
becomes another's, which a write(2) would have cleared.

Only what takes the pages away ends it: truncating the file lets a store fail with SIGBUS. A daemon that gives files to others
must copy them, or be sure that no process of the builder is left. F_SEAL_FUTURE_WRITE and the like are for memfds alone.
"""

from ksem.guest.case import Case
from ksem.guest.flags import O
from ksem.guest.lab import GROUP, OTHER, OWNER, user_name


def expected(fs):
    return {
        "given away, mode 0600": "00600 other:other", "former owner opens it": "EACCES",
        "store": "ok", "content then": "builder", "after the store": "00600 other:other",
        "made a program": "04711 other:other",
        "store again": "ok", "content at last": "program", "after it": "04711 other:other",
        "a write by descriptor": "00711 other:other",
    }


CASE = Case(
    claim="A shared mapping made before chown is written to as before, and its stores clear no set-id bit.",
    cites=(
        "mmap(2), MAP_SHARED; open(2): permissions are checked when a file is opened",
        "file_remove_privs() in fs/inode.c: called by write, not by a page fault",
    ),
    params={"fs": ("tmpfs", "ext4", "overlay")},
    expect=expected,
    needs=lambda fs: ("root", "fs:" + fs),
    documented="mmap(2) does not say that a store through a mapping clears no set-user-id bit.",
    survivors={
        "drop lab.become": "Root sets a mode as the owner does.",
    },
)


def observe(lab, fs):
    lab.filesystem(fs, "files")
    path = "files/file"
    lab.file(path, 0o600, OWNER, GROUP)
    lab.write_file(path, "nothing")
    builder = lab.become(lab.fork("builder", apart=True), OWNER, GROUP)
    client = lab.become(lab.fork("client"), OTHER, OTHER)
    descriptor = builder.open(path, O.RDWR, 0)
    builder.map_file(path)
    lab.chown(path, OTHER, OTHER)
    seen = {"given away, mode 0600": spelled(lab, path), "former owner opens it": builder.try_open(path, O.RDWR),
            "store": builder.attempt.store_mapped("builder"), "content then": lab.read_file(path)[:7],
            "after the store": spelled(lab, path)}
    client.chmod(path, 0o4711)
    seen["made a program"] = spelled(lab, path)
    seen["store again"] = builder.attempt.store_mapped("program")
    seen.update({"after it": spelled(lab, path), "content at last": lab.read_file(path)[:7]})
    builder.write(descriptor, "x", 1)
    return dict(seen, **{"a write by descriptor": spelled(lab, path)})


def spelled(lab, path):
    now = lab.status(path)
    return "%s %s:%s" % (now["mode"], user_name(now["uid"]), user_name(now["gid"]))
