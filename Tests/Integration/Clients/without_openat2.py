#!/usr/bin/env python3
"""without_openat2.py PROGRAM ARGUMENT...: runs a program to which openat2(2) does not exist, as under systemd's
RestrictSUIDSGID=."""
import ctypes
import os
import struct
import sys

NR_OPENAT2 = 437
ENOSYS = 38
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000

rules = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, NR_OPENAT2), (RETURN, 0, 0, ERRNO | ENOSYS), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_char_p(program), 0, 0):
    sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
