"""Hands descriptors of inodes that no path leads to any more to other programs, and prints what these see: hidden_names.py DIR."""

import os
import subprocess
import sys

root = sys.argv[1]
os.chdir(root)
WITHOUT_LIBRARY = {"PATH": os.environ["PATH"]}
SHOW = "import os, sys; fd = int(sys.argv[1]); print(os.readlink(f'/proc/self/fd/{fd}'), os.pread(fd, 100, 0) if sys.argv[2] == 'f' else sorted(os.listdir(fd)))"


def look(path):
    """Another program looks at a path, so that the kernel knows what is there."""
    subprocess.run(["ls", "-d", path], check=False, env=WITHOUT_LIBRARY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def show(what, fd, kind="f"):
    """What another program sees of the descriptor, in this process and in one that does not have the library."""
    os.set_inheritable(fd, True)
    command = [sys.executable, "-c", SHOW, str(fd), kind]
    seen = [subprocess.run(command, close_fds=False, env=env, capture_output=True, text=True) for env in (None, WITHOUT_LIBRARY)]
    for result in seen:
        print(what, result.returncode, result.stdout.replace(root, "DIR").strip())


def create(path, text=b"text"):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, text)
    return fd


def unlinked():
    for name in ("one", "n" * 64, "o" * 65, "p" * 255, "blank in it", "below/one"):
        fd = create(name)
        os.unlink(name)
        show(name, fd)
        os.close(fd)


def looked_for():
    """The kernel knows that the name does not exist."""
    fd = create("one")
    os.unlink("one")
    look("one")
    show("looked for", fd)
    print(os.path.exists("one"))
    os.close(fd)


def taken_again():
    """The name means another file, of which the kernel has not heard."""
    fd = create("one")
    os.unlink("one")
    other = create("one", b"other")
    show("removed", fd)
    show("its successor", other)
    os.close(fd)
    os.close(other)
    print(open("one").read())
    os.unlink("one")


def replaced():
    fd = create("one")
    os.close(create("two", b"other"))
    os.rename("two", "one")
    show("replaced", fd)
    os.close(fd)
    os.unlink("one")


def moved_first():
    fd = create("one")
    os.rename("one", "below/two")
    show("moved", fd)
    os.unlink("below/two")
    show("moved and removed", fd)
    os.close(fd)


def parent_moved():
    os.mkdir("parent")
    fd = create("parent/one")
    os.unlink("parent/one")
    os.rename("parent", "below/moved")
    show("parent moved", fd)
    os.close(fd)
    os.rmdir("below/moved")


def linked():
    """One of two names is removed."""
    fd = create("one")
    os.link("one", "two")
    os.unlink("one")
    show("one of two names", fd)
    os.unlink("two")
    os.close(fd)


def directory():
    for known in (False, True):
        os.mkdir("gone")
        if known:
            look("gone")
        fd = os.open("gone", os.O_RDONLY | os.O_DIRECTORY)
        subprocess.run([sys.executable, "-c", "import os; os.rmdir('gone')"], check=True)
        os.set_inheritable(fd, True)
        shown = subprocess.run(["readlink", f"/proc/self/fd/{fd}"], close_fds=False, env=WITHOUT_LIBRARY, capture_output=True, text=True)
        print("directory", known, shown.stdout.replace(root, "DIR").strip())
        os.close(fd)


def without_its_name():
    """Its name is another file's, which programs have open; or its directory is gone. Which name is shown is not said here."""
    fd = create("one")
    os.unlink("one")
    os.close(create("one", b"other"))
    with subprocess.Popen(["cat"], stdin=open("one"), stdout=subprocess.PIPE, env=WITHOUT_LIBRARY) as other:
        print(other.stdout.read())
    holder = subprocess.Popen(["sleep", "30"], stdin=open("one"), env=WITHOUT_LIBRARY)
    print("replaced, known", describe(fd))
    print(os.readlink(f"/proc/{holder.pid}/fd/0").replace(root, "DIR"))
    holder.kill()
    holder.wait()
    os.unlink("one")
    os.close(fd)
    os.mkdir("parent")
    fd = create("parent/one")
    os.unlink("parent/one")
    os.rmdir("parent")
    print("in a removed directory", describe(fd))
    os.close(fd)


def describe(fd):
    os.set_inheritable(fd, True)
    shown = subprocess.run([sys.executable, "-c", SHOW, str(fd), "f"], close_fds=False, env=WITHOUT_LIBRARY, capture_output=True, text=True).stdout
    return shown.startswith(root), shown.endswith(" (deleted) b'text'\n")


def names_like_ours():
    """Names that look like those that the daemon makes up are free for everybody."""
    for name in (".btfuse-x", ".btfuse-" + "0" * 32, ".btfuse-1-2-0123456789abcdef"):
        print(os.path.exists(name))
        os.close(create(name, name.encode()))
        print(open(name).read(), os.listdir(".").count(name))
        look(name)
        os.rename(name, name + "-moved")
        print(os.path.exists(name), os.path.exists(name + "-moved"))
        os.unlink(name + "-moved")


os.mkdir("below")
for scenario in (unlinked, looked_for, taken_again, replaced, moved_first, parent_moved, linked, directory, without_its_name, names_like_ours):
    if len(sys.argv) < 3 or scenario.__name__ in sys.argv[2:]:
        scenario()
print(os.listdir("."), os.listdir("below"))
