"""A seccomp filter, assembled by hand, against system calls that no tested program needs.

This is defence in depth behind the namespaces: each of these calls has been used to escape from a
container, or to starve it. The filter answers EPERM, and ends a process that uses a foreign
architecture's calls. Layout of instructions and data: Linux
``Documentation/userspace-api/seccomp_filter.rst``.
"""

from __future__ import annotations

import errno
import functools
import platform
import struct

LOAD_WORD, JUMP_EQUAL, JUMP_ABOVE, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
NUMBER_OFFSET, ARCHITECTURE_OFFSET, FIRST_ARGUMENT_OFFSET = 0, 4, 16
X32_CALLS = 0x40000000
AF_UNIX = 1

# names -> (x86_64, aarch64); None where the architecture has no such call
CALLS: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "syslog": (103, 116),
    "personality": (135, 92),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "acct": (163, 89),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "ioperm": (173, None),
    "iopl": (172, None),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "vmsplice": (278, 75),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "finit_module": (313, 273),
    "memfd_create": (319, 279),  # Memory that no limit here counts.
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "memfd_secret": (447, 447),
}
SOCKET = (41, 198)
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


@functools.cache
def filter_program(machine: str = platform.machine()) -> bytes | None:
    """The filter for ``machine`` in the format of ``bwrap --seccomp``; None for other
    architectures."""
    if machine not in ARCHITECTURES:
        return None
    column, architecture = ARCHITECTURES[machine]
    steps = [
        _step(LOAD_WORD, ARCHITECTURE_OFFSET),
        _step(JUMP_EQUAL, architecture, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD_WORD, NUMBER_OFFSET),
    ]
    if machine == "x86_64":
        steps += [_step(JUMP_ABOVE, X32_CALLS, 0, 1), _step(RETURN, KILL)]
    for numbers in CALLS.values():
        if (number := numbers[column]) is not None:
            steps += [_step(JUMP_EQUAL, number, 0, 1), _step(RETURN, REFUSE)]
    steps += [
        # only local sockets; socketpair, which asyncio needs, is another call
        _step(JUMP_EQUAL, SOCKET[column], 0, 3),
        _step(LOAD_WORD, FIRST_ARGUMENT_OFFSET),
        _step(JUMP_EQUAL, AF_UNIX, 1, 0),
        _step(RETURN, REFUSE),
        _step(RETURN, ALLOW),
    ]
    return b"".join(steps)
