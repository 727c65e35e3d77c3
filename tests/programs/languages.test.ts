/** python3, node and perl: their file functions, from many sides, in one program each. */
import { manifest } from "./manifest.ts";
import { type Place, type Results, testProgram } from "./scenario.ts";

const PYTHON = `
import asyncio, concurrent.futures, ctypes, dbm, fcntl, filecmp, fileinput, glob, gzip, hashlib, io, json, linecache, logging.handlers
import lzma, mailbox, mmap, multiprocessing, os, pathlib, pickle, select, shelve, shutil, signal, socket, sqlite3, stat, subprocess, sys, tarfile, tempfile, threading, zipfile
def show(*values): print(*values, flush=True)
def error(function, *arguments):
    try: return function(*arguments)
    except OSError as e: return e.errno

# os: descriptors
fd = os.open("raw", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640)
show(os.write(fd, b"0123456789"), os.lseek(fd, 2, os.SEEK_SET), os.read(fd, 3), os.pread(fd, 3, 7), os.pwrite(fd, b"xy", 20), os.fstat(fd).st_size)
show(os.writev(fd, [b"ab", b"cd"]), os.preadv(fd, [bytearray(3), bytearray(30)], 0), os.lseek(fd, 0, os.SEEK_CUR), os.lseek(fd, 0, os.SEEK_END))
show(error(os.lseek, fd, 10000, os.SEEK_DATA), os.lseek(fd, 0, os.SEEK_HOLE))
copy = os.dup(fd); os.lseek(copy, 1, os.SEEK_SET); show(os.read(fd, 2), os.get_inheritable(copy), error(os.dup2, 999, 5)); os.close(copy)
os.ftruncate(fd, 5); os.posix_fallocate(fd, 0, 9000); show(os.fstat(fd).st_size, os.fstat(fd).st_blocks > 0); os.fsync(fd); os.fdatasync(fd)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM); show(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE, fcntl.fcntl(fd, fcntl.F_GETFD))
show(error(os.open, "raw", os.O_CREAT | os.O_EXCL), error(os.open, "none", os.O_RDONLY), error(os.open, ".", os.O_WRONLY), error(os.read, 999, 1), error(os.write, os.open("raw", os.O_RDONLY), b"x"))
out = os.open("sent", os.O_WRONLY | os.O_CREAT); os.write(fd, b"to be sent"); show(os.sendfile(out, fd, 0, 20), os.copy_file_range(fd, out, 10, 0, 100)); os.close(out); os.close(fd)
show(sorted(os.listdir(".")), sorted((e.name, e.is_file(), e.stat().st_size if e.is_file() else 0) for e in os.scandir(".")))
fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY); show(sorted(os.listdir(fd)), os.stat("raw", dir_fd=fd).st_size, error(os.mkdir, "by_fd", 0o755, ), os.access("raw", os.X_OK, dir_fd=fd))
os.rename("sent", "renamed", src_dir_fd=fd, dst_dir_fd=fd); os.symlink("renamed", "link", dir_fd=fd); os.link("renamed", "hard", src_dir_fd=fd, dst_dir_fd=fd); os.unlink("hard", dir_fd=fd); os.close(fd)
# names and attributes
os.makedirs("a/b/c/d"); show(error(os.rmdir, "a"), error(os.mkdir, "a"), error(os.rename, "a", "a/b/x"), error(os.unlink, "a")); os.removedirs("a/b/c/d")
os.chmod("raw", 0o4711); show(oct(os.stat("raw").st_mode)); os.utime("raw", ns=(1, 1_500_000_000_123_456_789)); show(os.stat("raw").st_mtime_ns, os.lstat("link").st_size, os.readlink("link"))
os.setxattr("raw", "user.k", b"v" * 300); show(os.listxattr("raw"), len(os.getxattr("raw", "user.k")), error(os.getxattr, "raw", "user.none")); os.removexattr("raw", "user.k")
os.mkfifo("fifo"); show(stat.S_ISFIFO(os.stat("fifo").st_mode)); os.replace("renamed", "raw2"); show(os.path.exists("link"), os.path.lexists("link"), os.path.samefile("raw2", "./raw2"), os.statvfs(".").f_bsize)
os.truncate("raw2", 3); show(open("raw2", "rb").read()); os.umask(0o077); open("masked", "w").close(); os.umask(0o022); show(oct(os.stat("masked").st_mode))
# io
with open("text", "w+", encoding="utf-8") as f:
    f.write("zeile\\n" * 1000); f.seek(0); show(f.readline(), len(f.readlines()), f.tell()); f.truncate(12); f.seek(0); show(f.read())
with open("text", "ab", buffering=0) as f: show(f.write(b"raw"), f.tell())
with open("text", "r+b") as f: f.seek(3); f.write(b"XX"); f.flush(); f.seek(-3, 2); show(f.read(), f.peek())
with io.BufferedRandom(io.FileIO("text", "r+")) as f: f.write(b"12"); f.seek(1); show(f.read(4)); f.write(b"!!"); f.seek(0); show(f.read())
# shutil, pathlib, tempfile
shutil.copy2("text", "copied"); shutil.copytree(".", "../tree", symlinks=True, ignore=shutil.ignore_patterns("fifo")); shutil.move("../tree", "moved"); show(sorted(p.as_posix() for p in pathlib.Path("moved").rglob("*")))
show(filecmp.cmp("text", "copied", False), filecmp.dircmp(".", "moved").common_files == sorted(os.listdir("moved"))[:0] or True, shutil.disk_usage(".").total)
with tempfile.NamedTemporaryFile(dir=".") as f: f.write(b"named"); f.flush(); show(open(f.name, "rb").read(), oct(os.stat(f.name).st_mode))
with tempfile.TemporaryFile(dir=".") as f: f.write(b"x" * 100000); f.seek(0); show(len(f.read()))
with tempfile.SpooledTemporaryFile(10, dir=".") as f: f.write(b"spooled over"); f.seek(0); show(f.read())
handle, path = tempfile.mkstemp(dir="."); os.close(handle); os.unlink(path); os.rmdir(tempfile.mkdtemp(dir="."))
p = pathlib.Path("p/q"); p.mkdir(parents=True); (p / "r").write_text("r"); (p / "r").rename(p / "s"); (p / "l").hardlink_to(p / "s"); (p / "t").touch(); show(sorted(x.name for x in p.iterdir()), (p / "s").read_bytes(), (p / "s").stat().st_nlink); shutil.rmtree("p")
# mmap
with open("mapped", "w+b") as f:
    f.truncate(100_000)
    with mmap.mmap(f.fileno(), 0) as m:
        m[50_000:50_005] = b"store"; m.flush(); show(open("mapped", "rb").read()[50_000:50_005]); m.resize(200_000); m[199_999] = 1; m.move(0, 50_000, 5); show(m[:5], m.find(b"store"))
    show(f.read()[:5], os.stat("mapped").st_size)
with open("mapped", "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m: show(hashlib.sha256(m).hexdigest())
with open("mapped", "r+b") as f, mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE) as m: m[0] = 0; show(open("mapped", "rb").read(1))
# locks
f = open("locked", "w"); fcntl.flock(f, fcntl.LOCK_EX); other = open("locked"); show(error(fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)); f.close(); fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB); other.close()
f = open("locked", "r+"); fcntl.lockf(f, fcntl.LOCK_EX)
code = "import fcntl\\ntry: fcntl.lockf(open('locked', 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB); print('got it')\\nexcept OSError as e: print(e.errno)"
show(subprocess.check_output([sys.executable, "-c", code]).decode()); f.close(); show(subprocess.check_output([sys.executable, "-c", code]).decode())
# subprocess, fork, multiprocessing, threads
with open("child", "w+") as f:
    subprocess.run(["sh", "-c", "echo from the shell; exec cat"], stdin=open("text"), stdout=f, check=True); f.seek(0); show(f.read())
    subprocess.run(["sh", "-c", "echo appended >&3"], pass_fds=(), stdout=f, check=False, stderr=subprocess.DEVNULL)
show(subprocess.run(["cat", "text"], cwd=".", capture_output=True).stdout, subprocess.run("cat < text | wc -c", shell=True, capture_output=True).stdout)
f = open("shared", "w+b"); f.write(b"parent "); f.flush(); pid = os.fork()
if pid == 0: f.write(b"child "); f.flush(); os._exit(7)
show(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])); f.write(b"parent"); f.flush(); f.seek(0); show(f.read()); f.close()
def work(n):
    with open(f"work{n}", "w") as f: f.write(str(n) * 1000)
    with open("log", "a") as f: f.write(f"{n}\\n")
    return os.stat(f"work{n}").st_size
if True:
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool: show(sum(pool.map(work, range(40))), sorted(map(int, open("log"))) == list(range(40)))
    with concurrent.futures.ThreadPoolExecutor(8) as pool: show(sum(pool.map(work, range(40))), len(open("log").readlines()))
pipe = os.pipe(); os.write(pipe[1], b"spliced"); out = os.open("spliced", os.O_WRONLY | os.O_CREAT); show(os.splice(pipe[0], out, 7)); os.close(out); show(open("spliced").read())
left, right = socket.socketpair(); f = open("text", "rb"); f.read(2); f2 = os.dup(f.fileno()); socket.send_fds(left, [b"x"], [f2]); _, fds, _, _ = socket.recv_fds(right, 1, 1); show(os.read(fds[0], 4)[:0], os.fstat(fds[0]).st_size); show(socket.socket.sendfile(left, open("text", "rb")), len(right.recv(100)))
seen = []; signal.signal(signal.SIGALRM, lambda *_: seen.append(open("text").read(2))); signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for i in range(2000): open("busy", "w").write(str(i))
signal.setitimer(signal.ITIMER_REAL, 0); show(len(set(seen)), open("busy").read())
show(select.select([open("text")], [], [], 0)[0] != [], error(os.readlink, "text"))
# libraries above
with gzip.open("z.gz", "wt") as f: f.write("zip" * 1000)
with lzma.open("z.xz", "wb") as f: f.write(b"zip" * 1000)
show(gzip.open("z.gz", "rt").read() == lzma.open("z.xz", "rt").read())
with tarfile.open("t.tar.gz", "w:gz") as t: t.add("moved")
with tarfile.open("t.tar.gz") as t: t.extractall("out"); show(len(t.getnames()))
with zipfile.ZipFile("z.zip", "w") as z: z.write("text"); z.writestr("made", b"here")
with zipfile.ZipFile("z.zip", "a") as z: z.write("copied")
with zipfile.ZipFile("z.zip") as z: show(z.testzip(), z.namelist())
with shelve.open("shelf") as s: s["key"] = [1, 2, 3]
with shelve.open("shelf") as s: show(s["key"])
c = sqlite3.connect("db"); c.execute("create table t (x)"); c.executemany("insert into t values (?)", [(i,) for i in range(1000)]); c.commit(); show(c.execute("select sum(x) from t").fetchone()); c.close()
with fileinput.input("text", inplace=True) as f:
    for line in f: print(line.upper(), end="")
show(linecache.getline("text", 1), open("text").read()); box = mailbox.Maildir("mail"); box.add("Subject: x\\n\\nbody"); show(len(box), sorted(os.listdir("mail")))
handler = logging.handlers.RotatingFileHandler("rot", maxBytes=100, backupCount=2)
for i in range(20): handler.emit(logging.makeLogRecord({"msg": f"line number {i}"}))
handler.close(); show(sorted(glob.glob("rot*")), open("rot.1").read())
os.chdir("moved"); show(os.path.basename(os.getcwd()), os.path.exists("text")); os.chdir(".."); os.fchdir(os.open("moved", os.O_RDONLY)); show(sorted(os.listdir())[:3]); os.chdir("..")
libc = ctypes.CDLL(None); libc.fopen.restype = ctypes.c_void_p; stream = ctypes.c_void_p(libc.fopen(b"stdio", b"w")); libc.fputs(b"through stdio\\n", stream); libc.fclose(stream); show(open("stdio").read())
async def read(): return await asyncio.to_thread(lambda: open("stdio").read())
show(asyncio.run(read())); shutil.rmtree("out"); shutil.rmtree("mail"); os.unlink("t.tar.gz"); os.unlink("z.gz"); os.unlink("db"); [os.unlink(f) for f in glob.glob("shelf*") + ["busy", "log", "z.zip"]]
`;

const NODE = `
const fs = require("fs"), path = require("path"), os = require("os"), child = require("child_process"), crypto = require("crypto"), zlib = require("zlib");
const { pipeline } = require("stream/promises"), { Worker, isMainThread } = require("worker_threads"), readline = require("readline");
const error = (f) => { try { return f(); } catch (e) { return e.code; } };
const show = (...values) => console.log(JSON.stringify(values));
process.umask(0o022);
(async () => {
  fs.mkdirSync("a/b/c", { recursive: true }); fs.writeFileSync("a/one", "one"); fs.appendFileSync("a/one", " more"); show(fs.readFileSync("a/one", "utf8"), error(() => fs.mkdirSync("a")), error(() => fs.readFileSync("none")), error(() => fs.rmdirSync("a")), error(() => fs.readFileSync("a")));
  const fd = fs.openSync("fd", "w+"); show(fs.writeSync(fd, "0123456789"), fs.readSync(fd, Buffer.alloc(4), 0, 4, 3), fs.fstatSync(fd).size); fs.ftruncateSync(fd, 4); fs.writevSync(fd, [Buffer.from("v1"), Buffer.from("v2")], 2); show(fs.readFileSync("fd", "utf8")); fs.futimesSync(fd, 1, 2); fs.fchmodSync(fd, 0o600); fs.fsyncSync(fd); show(fs.fstatSync(fd).mtimeMs, fs.fstatSync(fd).mode); fs.closeSync(fd);
  fs.symlinkSync("fd", "link"); fs.linkSync("fd", "hard"); show(fs.readlinkSync("link"), fs.statSync("hard").nlink, fs.lstatSync("link").isSymbolicLink(), fs.realpathSync("link").endsWith("/fd"), fs.existsSync("gone"), error(() => fs.accessSync("fd", fs.constants.X_OK)));
  fs.copyFileSync("fd", "copy"); show(error(() => fs.copyFileSync("fd", "copy", fs.constants.COPYFILE_EXCL))); fs.cpSync("a", "a2", { recursive: true }); fs.renameSync("a2", "a3"); fs.truncateSync("copy", 2); fs.chmodSync("copy", 0o444); fs.utimesSync("copy", 3, 4); show(fs.statSync("copy").mode, fs.statSync("copy", { bigint: true }).mtimeNs.toString());
  show(fs.readdirSync(".", { withFileTypes: true }).map((e) => [e.name, e.isDirectory(), e.isSymbolicLink()]).sort(), fs.readdirSync(".", { recursive: true }).sort());
  const dir = fs.opendirSync("a"); const names = []; for (let e; (e = dir.readSync());) names.push(e.name); dir.closeSync(); show(names.sort()); show(fs.statfsSync(".").bsize, fs.mkdtempSync("t-").length);
  for (const d of fs.readdirSync(".").filter((n) => n.startsWith("t-"))) fs.rmdirSync(d);
  // promises and streams
  const { promises: p } = fs; await Promise.all(Array.from({ length: 100 }, (_, i) => p.writeFile("p" + i, "x".repeat(i * 100)))); show((await Promise.all(Array.from({ length: 100 }, (_, i) => p.stat("p" + i)))).reduce((sum, s) => sum + s.size, 0)); await Promise.all(Array.from({ length: 99 }, (_, i) => p.unlink("p" + i)));
  const h = await p.open("handle", "a+"); await h.write("first\\n"); await h.appendFile("second\\nthird\\n"); const lines = []; for await (const line of (await p.open("handle")).readLines()) lines.push(line); show(lines, (await h.stat()).size); await h.close();
  const w = fs.createWriteStream("stream", { highWaterMark: 1000 }); for (let i = 0; i < 20000; i++) if (!w.write(i + "\\n")) await new Promise((r) => w.once("drain", r)); await new Promise((r) => w.end(r)); show(fs.statSync("stream").size, w.bytesWritten);
  await pipeline(fs.createReadStream("stream"), zlib.createGzip({ level: 1 }), fs.createWriteStream("stream.gz")); await pipeline(fs.createReadStream("stream.gz"), zlib.createGunzip(), fs.createWriteStream("stream2")); show(fs.readFileSync("stream").equals(fs.readFileSync("stream2"))); fs.unlinkSync("stream.gz");
  const hash = crypto.createHash("sha256"); for await (const chunk of fs.createReadStream("stream", { start: 1000, end: 50000, highWaterMark: 777 })) hash.update(chunk); show(hash.digest("hex")); let count = 0; for await (const _ of readline.createInterface({ input: fs.createReadStream("stream") })) count++; show(count);
  const patch = fs.createWriteStream("stream2", { flags: "r+", start: 5 }); await new Promise((r) => patch.end("PATCH", r)); show(fs.readFileSync("stream2", "utf8").slice(0, 12));
  // watching
  const changed = new Promise((r) => { const watcher = fs.watch("a", (type, name) => { if (name === "watched") { watcher.close(); r(name); } }); }); fs.writeFileSync("a/watched", "x"); show(await changed);
  const polled = new Promise((r) => { fs.watchFile("fd", { interval: 20 }, (now) => { fs.unwatchFile("fd"); r(now.size); }); }); setTimeout(() => fs.appendFileSync("fd", "grown"), 50); show(await polled);
  // processes
  show(child.execFileSync("cat", ["a/one"]).toString(), child.execSync("cat fd > redirected; wc -c < redirected").toString(), child.spawnSync("sh", ["-c", "echo $0 >&2; cat; exit 3"], { input: "given", stdio: ["pipe", "pipe", fs.openSync("stderr", "w")] }).status, fs.readFileSync("stderr", "utf8"));
  const forked = child.fork("child.js", [], { stdio: ["ignore", fs.openSync("forked", "a"), "inherit", "ipc"] }); show(await new Promise((r) => forked.on("message", r))); await new Promise((r) => forked.on("exit", r)); show(fs.readFileSync("forked", "utf8"));
  // worker threads
  const sums = await Promise.all([0, 1, 2, 3].map((n) => new Promise((resolve, reject) => { const worker = new Worker("./worker.js", { workerData: n }); worker.on("message", resolve); worker.on("error", reject); }))); show(sums, fs.readFileSync("threads", "utf8").split("\\n").sort().join("")); fs.unlinkSync("threads");
  show(require("./module.js"), require("./data.json"), (await import(path.resolve("module.mjs"))).default, error(() => require("./missing.js")));
  fs.rmSync("a3", { recursive: true }); await p.rm("none", { force: true }); show(fs.readdirSync(".").sort());
})();
`;
const NODE_FILES: Record<string, string> = {
  "child.js":
    `require("fs").writeFileSync("by-child", "x"); console.log("printed"); process.send(process.cwd() === __dirname, () => process.exit());`,
  "worker.js":
    `const fs = require("fs"), { workerData: n, parentPort } = require("worker_threads"); let sum = 0;
    for (let i = 0; i < 200; i++) { const f = "w" + n + "-" + i % 10; fs.writeFileSync(f, String(i)); sum += Number(fs.readFileSync(f, "utf8")); fs.appendFileSync("threads", n + "\\n"); if (i % 3 === 0) fs.renameSync(f, f + "r"), fs.unlinkSync(f + "r"); }
    parentPort.postMessage(sum);`,
  "module.js": `module.exports = require("path").basename(__filename);`,
  "module.mjs": `export default import.meta.url.split("/").pop();`,
  "data.json": `{"a": 1}`,
};

const PERL = `
use strict; use warnings; use Fcntl qw(:flock :seek :DEFAULT); use File::Temp qw(tempfile tempdir); use File::Copy; use File::Find; use File::Path qw(make_path remove_tree); use File::Basename; use File::stat; use IO::File; use IO::Handle; use Cwd; use POSIX (); use Tie::File; use Storable; use File::Compare; use DirHandle;
$| = 1; umask 022; sub err { my ($f) = @_; return $f->() ? "ok" : $! + 0 }
open(my $f, '+>', 'file') or die $!; print $f "line $_\\n" for 1..1000; seek($f, 0, SEEK_SET); my @l = <$f>; print scalar(@l), " ", tell($f), " ", eof($f) ? 1 : 0, "\\n"; truncate($f, 20); close $f; print -s 'file', "\\n";
open($f, '>>', 'file'); syswrite($f, "appended"); close $f; open($f, '<', 'file'); sysseek($f, -8, SEEK_END); sysread($f, my $b, 100); print "$b\\n"; close $f;
sysopen($f, 'excl', O_WRONLY | O_CREAT | O_EXCL, 0600) or die; print err(sub { sysopen(my $g, 'excl', O_CREAT | O_EXCL | O_RDWR) }), " ", err(sub { open(my $g, '<', 'none') }), " ", err(sub { open(my $g, '>', '.') }), "\\n"; close $f;
print join(" ", map { sprintf "%s", $_ ? 1 : 0 } -e 'file', -f 'file', -d '.', -x 'file', -w 'file', -l 'file', -z 'excl'), "\\n"; mkdir 'd'; print err(sub { mkdir 'd' }), err(sub { rmdir 'none' }), err(sub { rename 'none', 'x' }), "\\n";
symlink 'file', 'sym'; link 'file', 'hard'; print readlink('sym'), " ", stat('hard')->nlink, " ", lstat('sym')->size, "\\n"; chmod 0751, 'file'; utime 5, 6, 'file'; printf "%o %d %d\\n", stat('file')->mode, stat('file')->atime, stat('file')->mtime; rename 'hard', 'd/moved'; unlink 'sym';
copy('file', 'copied'); move('copied', 'd/copied'); print compare('file', 'd/copied'), "\\n"; make_path('p/q/r'); open($f, '>', "p/q/r/$_") && close $f for 1..5; my @found; find({ wanted => sub { push @found, $File::Find::name }, no_chdir => 0 }, '.'); print join(',', sort @found), "\\n"; remove_tree('p/q'); opendir(my $d, '.'); print join(',', sort readdir $d), "\\n"; rewinddir $d; print scalar(() = readdir $d), "\\n"; closedir $d; print join(',', sort glob('*')), ' ', join(',', sort <d/*>), "\\n";
my ($t, $name) = tempfile(DIR => '.'); print $t "temporary"; close $t; print -s $name, "\\n"; unlink $name; my $dir = tempdir(DIR => '.', CLEANUP => 1); print -d $dir ? 1 : 0, "\\n"; rmdir $dir; open(my $anonymous, '+>', undef); print $anonymous "nobody"; seek($anonymous, 0, 0); print <$anonymous>, "\\n";
open($f, '>', 'lock'); flock($f, LOCK_EX); open(my $g, '<', 'lock'); print flock($g, LOCK_EX | LOCK_NB) ? 1 : 0; flock($f, LOCK_UN); print flock($g, LOCK_EX | LOCK_NB) ? 1 : 0, "\\n"; close $f; close $g;
open($f, '+>', 'shared'); $f->autoflush(1); print $f "parent\\n"; my $pid = fork(); if (!$pid) { print $f "child\\n"; POSIX::_exit(3) } waitpid($pid, 0); print $? >> 8, "\\n"; print $f "again\\n"; seek($f, 0, 0); print <$f>; close $f;
open($f, '|-', 'cat > piped'); print $f "through a pipe\\n"; close $f; open($f, '-|', 'cat', 'piped'); print <$f>; close $f; print \`cat piped | tr a-z A-Z\`; system('echo more >> piped'); print -s 'piped', "\\n"; open(my $saved, '>&', \\*STDOUT); open(STDOUT, '>', 'stdout'); print "captured\\n"; system('echo too'); close STDOUT; open(STDOUT, '>&', $saved); open($f, '<', 'stdout'); print <$f>; close $f; open($f, '>&', 1); print $f "same\\n"; close $f;
{ local ($^I, @ARGV) = ('.bak', 'file'); while (<>) { s/line/LINE/; print } } open($f, '<', 'file'); print <$f>; close $f; tie my @a, 'Tie::File', 'tied' or die; push @a, "one", "two", "three"; splice @a, 1, 1; untie @a; open($f, '<', 'tied'); print <$f>; store({ a => [1, 2] }, 'stored'); print retrieve('stored')->{a}[1], "\\n";
local $/; open($f, '<:raw', 'file.bak'); my $whole = <$f>; print length($whole), " ", unpack('%32C*', $whole), "\\n"; close $f; local $/ = \\ 5; open($f, '<', 'file'); my @parts = <$f>; print scalar(@parts), "\\n"; chdir 'd' or die; print basename(getcwd()), " ", -e 'moved' ? 1 : 0, "\\n"; chdir '..'; print basename(Cwd::abs_path('d/../d/moved')), "\\n"; my @usage = map { open(my $h, '>', "many$_"); $h } 1..200; print { $usage[$_] } $_ for 0..199; close $_ for @usage; my $sum = 0; for (1..200) { open(my $h, '<', "many$_"); local $/; $sum += <$h> } print "$sum\\n"; unlink glob 'many*'; print join(',', sort glob('*')), "\\n";
`;

function testLanguage(name: string, command: string[], files: Record<string, string> = {}): void {
  testProgram({
    name,
    async perform(place: Place): Promise<Results> {
      const cwd = `${place.dir}/work`;
      Deno.mkdirSync(cwd);
      for (const [file, text] of Object.entries(files)) {
        Deno.writeTextFileSync(`${cwd}/${file}`, text);
      }
      return {
        printed: await place.ok(command, { cwd }),
        left: await manifest(cwd, { withoutTimes: true }),
      };
    },
  });
}

testLanguage("python3: os, io, shutil, mmap, subprocess, tempfile and others", [
  "python3",
  "-c",
  PYTHON,
]);
testLanguage("node: fs, promises, streams, child processes and worker threads", [
  "node",
  "-e",
  NODE,
], NODE_FILES);
testLanguage("perl: files, directories, processes, modules", ["perl", "-e", PERL]);
