"""Calls libc's functions as told and prints what each returned, as JSON, one result for each call.

Standard input: [[function, argument…], …]. A result is [return value, errno or 0, bytes written as hexadecimal].
Under the preloaded library the same calls must give the same results as without it.
"""

import ctypes
import json
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
SIZES = {"stat": 144, "statx": 256, "statfs": 120, "statvfs": 112}


def call(function, *arguments, size):
    buffer = ctypes.create_string_buffer(b"\xaa" * size, size)
    arguments = [buffer if each == "OUT" else each for each in arguments]
    # A pointer or a 64-bit number in a register, whatever the type.
    arguments = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    ctypes.set_errno(0)
    entry = getattr(libc, function)
    entry.restype = ctypes.c_long if "readlink" in function else ctypes.c_int
    result = entry(*arguments)
    return [result, ctypes.get_errno(), bytes(buffer).hex()]


def probe(function, *arguments):
    path = arguments[0].encode("utf-8", "surrogateescape") if arguments and isinstance(arguments[0], str) else None
    rest = arguments[1:]
    if function == "chdir":
        os.chdir(path)
        return [0, 0, ""]
    if function in ("stat", "lstat", "stat64", "lstat64"):
        return call(function, path, "OUT", size=SIZES["stat"])
    if function in ("__xstat", "__lxstat", "__xstat64", "__lxstat64"):
        return call(function, 1, path, "OUT", size=SIZES["stat"])
    if function in ("fstatat", "fstatat64"):
        return call(function, AT_FDCWD, path, "OUT", rest[0], size=SIZES["stat"])
    if function in ("__fxstatat", "__fxstatat64"):
        return call(function, 1, AT_FDCWD, path, "OUT", rest[0], size=SIZES["stat"])
    if function == "statx":
        return call(function, AT_FDCWD, path, rest[0], rest[1], "OUT", size=SIZES["statx"])
    if function in ("access", "eaccess", "euidaccess"):
        return call(function, path, rest[0], size=1)
    if function == "faccessat":
        return call(function, AT_FDCWD, path, rest[0], rest[1], size=1)
    if function == "readlink":
        return call(function, path, "OUT", rest[0], size=max(rest[0], 1))
    if function == "readlinkat":
        return call(function, AT_FDCWD, path, "OUT", rest[0], size=max(rest[0], 1))
    if function == "__readlink_chk":
        return call(function, path, "OUT", rest[0], rest[0], size=max(rest[0], 1))
    if function == "__readlinkat_chk":
        return call(function, AT_FDCWD, path, "OUT", rest[0], rest[0], size=max(rest[0], 1))
    if function in ("fstatfs", "fstatvfs", "fstat", "fstat64"):
        descriptor = os.open(path, os.O_RDONLY)
        result = call(function, descriptor, "OUT", size=SIZES[function.removeprefix("f").removesuffix("64")])
        os.close(descriptor)
        return result
    if function == "fstatat_of":
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        result = call("fstatat", descriptor, rest[0].encode(), "OUT", rest[1], size=SIZES["stat"])
        os.close(descriptor)
        return result
    if function == "setuid":
        os.setresuid(*[arguments[0]] * 3)
        return [0, 0, ""]
    raise ValueError(function)


print(json.dumps([probe(*each) for each in json.load(sys.stdin)]))
