"""The process in a machine by which a director outside of it acts: the parent of all processes of a case.

Contract: `native`. `ksem.init` starts it, before the machine is heard of. It makes the calls that it finds in its mailbox, as
those processes do, and hands turns on to them. So `observe` need not run where a processor is emulated: there an
interpreter is 15 times slower, and took half of all time.

The director writes to the same memory, but can wake nobody in the machine. Two ports do what a futex would. When the proxy is
done it writes to one, the bell, behind which QEMU has a line to the director. Then it writes to the other, the gate: QEMU does
not come back from that until the director takes what was written before. So a machine whose director has the word takes no
time at all, and its clock goes on; between cases, when others in it are to run, it only looks now and then.

That memory belongs to a device: a futex in it must be private, and so wakes nobody who has another memory. Those few look again
every other moment.
"""

import struct

from ksem.guest.native import KEEP, MAKE

# Where its mailbox is in the arena. Beyond what every mailbox has, at 32 is that of the process whose turn it is, at 40 the
# address of how long to wait for its end before saying so, at 48 how long to sleep between two looks when nothing comes.
# State 1 is to make calls, 3 to have a turn made, 4 to wait on for it, 2 is done, 0 that there is no case.
MAILBOX = 2048
# Where all that is in the machine's memory.
BASE = 0x10000000
REST, CALLS, DONE, TURN, WAIT = 0, 1, 2, 3, 4
# I/O ports that nothing else in such a machine has (the first is the debug console of a BIOS).
BELL, GATE = 0x402, 0x403
# What is written to the first when the proxy has come to be: no BIOS writes it.
RUNG = b"\6"
# As of `beside`, for private futexes, and with no end to waiting.
LOOP = bytes.fromhex(
    "8b0424 83f801 7418"                                # wait: state == 1? then work
    "4889e7 be80000000 89c2 4c8b542418 b8ca000000 0f05 ebe0"  # futex(mailbox, FUTEX_WAIT_PRIVATE, state, how long); wait on
    "488b5c2408"                                        # work: from the first call
    "483b5c2410 7439"                                   # next: to the end, then done
) + MAKE + bytes.fromhex("75ac") + KEEP + bytes.fromhex(  # on another stack we are its child, which waits
    "79c0"                                              # next, unless it failed and must not
    "c7042402000000 4889e7 be81000000 ba01000000 b8ca000000 0f05"  # done: say so, futex(mailbox, FUTEX_WAKE_PRIVATE, 1)
    "e97bffffff"
)
# proxy(mailbox), right behind the loop: never returns.
PROXY = bytes.fromhex(
    "4889fc eb13"
    "c7042402000000 ba02040000 ee"                      # done: say so, out(BELL)
    "ba03040000 ee"                                     # gate: out(GATE)
    "8b0424 83f801 741f 83f802 74ed 83f803 7463 83f804 747a"  # look: state == 1? calls. 2? gate. 3? turn. 4? hear
    "488d7c2430 31f6 b823000000 0f05 ebd9"              # rest: nanosleep, and look again
    "488b5c2408 483b5c2410 74ba"                        # calls: as above
) + MAKE + bytes.fromhex("0f8504ffffff") + KEEP + bytes.fromhex(  # on another stack we are its child: to the loop
    "79bc e978ffffff"
    "488b7c2420 c70701000000 be81000000 ba01000000 b8ca000000 0f05"  # turn: the mailbox's state to 1, wake
    "488b7c2420 833f02 0f844effffff"                    # hear: until its state is 2
    "be80000000 ba01000000 4c8b542428 b8ca000000 0f05 83f892 75d7 e92effffff"  # or the wait timed out
)


def mailbox() -> bytes:
    """As it is before anybody writes to it: there is no case, and 60 us between two looks."""
    return struct.pack("=8Q", REST, 0, 0, 0, 0, 0, 0, 60000)
