"""What a map may say: lines of three decimal numbers, no overlap, 340 lines, less than a page; and it is said only once.

uid_map and gid_map take their whole text in one write(2) at offset 0. A text that is wrong anywhere is EINVAL and leaves
the map empty, so that another may follow; a text that was taken is final, and every later write is EPERM, even of the same
text and even by root.

Each line gives an id inside, an id outside and a count, separated by blanks or tabs. A sign, another base, a comment, a
fourth word or an empty line are errors, the last newline is optional. A count of zero, a range that wraps and the id
4294967295, which means "no id", are refused, and so are two lines that share an id on either side.

Since 4.15 a map may have 340 lines rather than 5. But the text must be shorter than a page, and with ids of ten digits a
page is full after some 240 lines: who gives many scattered ids to a container meets EINVAL before the documented limit.
Up to five lines are read back as they were written, more are sorted by the id inside.

A number that does not fit is not noticed: 4294967296 is taken for 0. A tool must check ranges itself.
"""


from ksem.guest.case import Case
from ksem.guest.flags import CLONE
from ksem.guest.lab import GROUP, OWNER

# Of x86.
PAGE = 4096


def lines(count, outside, step=1):
    """A map of single ids, the highest first. Neighbours are no overlap."""
    return "".join("%d %d 1\n" % (number, outside + step * number) for number in reversed(range(count)))


# For each kind of text what is refused; then one that is on the right side of the line.
TEXTS = {
    "form": ({
        "nothing": "", "an empty line": "\n", "one word": "0", "two words": "0 1000", "four words": "0 1000 1 1",
        "a letter": "a 1000 1", "hexadecimal": "0 0x3e8 1", "negative": "0 -1 1", "a plus": "+0 1000 1",
        "commas": "0,1000,1", "a comment": "0 1000 1 # root", "an empty line at the end": "0 1000 1\n\n",
        "an empty line first": "\n0 1000 1\n", "a good line, then a bad one": "0 1000 1\n1 1001\n",
    }, " 0\t1000   1 "),
    "number": ({
        "count of zero": "0 1000 0", "no id, inside": "4294967295 1000 1", "no id, outside": "0 4294967295 1",
        "wraps inside": "4294967290 1000 10", "wraps outside": "0 4294967290 10", "count of 2^32": "0 1000 4294967296",
    }, "4294967296 4294968296 4294967297\n4294967294 4294967294 1\n"),
    "overlap": ({
        "same line twice": "0 1000 1\n0 1000 1\n", "same id inside": "0 1000 1\n0 1001 1\n",
        "same id outside": "0 1000 1\n1 1000 1\n", "last of a range inside": "0 1000 10\n9 2000 1\n",
        "last of a range outside": "0 1000 10\n10 1009 1\n", "a range within another": "0 1000 10\n2 1002 3\n",
    }, "10 1000 10\n0 1010 10\n"),
    "length": ({
        "341 lines": lines(341, 1000), "a page": ("0 1000 1" + " " * PAGE)[:PAGE],
        "340 lines with ids of ten digits": lines(340, 2000000000, 1000),
    }, lines(340, 1000).rstrip("\n").ljust(PAGE - 1)),
}


def expected(kind):
    refused, accepted = TEXTS[kind]
    return {
        "refused": dict.fromkeys(refused, "EINVAL"), "map after these": [],
        "accepted": "ok", "map": taken(accepted),
        "the same again": "EPERM", "another": "EPERM", "map at the end": taken(accepted),
    }


def taken(text):
    """The map that a text makes: 32 bits of each number; sorted, when there are more than five lines."""
    rows = [[int(word) % 2 ** 32 for word in line.split()] for line in text.splitlines()]
    return sorted(rows) if len(rows) > 5 else rows


CASE = Case(
    claim="A map is written once, as up to 340 lines of three numbers that do not overlap, in less than a page; anything else"
          " is EINVAL and leaves it empty, a second write is EPERM.",
    cites=(
        "user_namespaces(7), 'Defining user and group ID mappings: writing to uid_map and gid_map'",
        "map_write() in kernel/user_namespace.c",
        "6397fac4915a (\"userns: bump idmap limits to 340\"), 4.15",
    ),
    params={"kind": tuple(TEXTS)},
    expect=expected,
    options=("CONFIG_USER_NS",),
    needs=("root", "userns"),
    documented="user_namespaces(7) does not say that numbers above 32 bits are cut off, nor that a map of many lines is read"
               " back sorted.",
    survivors={
        "drop lab.become": "The text is root's: as whom the namespace was made does not matter to it.",
    },
)


def observe(lab, kind):
    refused, accepted = TEXTS[kind]
    process = lab.become(lab.fork("inside"), OWNER, GROUP)
    process.unshare(CLONE.NEWUSER)
    path = "/proc/%d/uid_map" % process.pid
    observation = {
        "refused": {name: lab.attempt.write_file(path, text) for name, text in refused.items()},
        "map after these": rows_of(lab, path),
        "accepted": lab.attempt.write_file(path, accepted),
        "map": rows_of(lab, path),
        "the same again": lab.attempt.write_file(path, accepted),
        "another": lab.attempt.write_file(path, "0 5 1\n"),
    }
    observation["map at the end"] = rows_of(lab, path)
    return observation


def rows_of(lab, path):
    return [[int(word) for word in line.split()] for line in lab.read_file(path).splitlines()]
