# An overlay file system with all its layers in DIR, changed in every way, taken off and mounted again: overlay.sh DIR OPTIONS [PREFIX…].
# PREFIX starts the programs that work in it. Prints what is seen above and in the upper layer, which has to be the same everywhere.
set -u
dir=$1 options=$2
shift 2
cd "$dir" || exit 1
chmod 755 .
mkdir -p lower/dir/below lower/tree/deep upper work merged
for name in file gone moved hard mode attr time; do echo "$name" >"lower/$name"; done
echo a >lower/dir/below/a
echo b >lower/tree/deep/b
ln lower/hard lower/hardB
setfattr -n user.l -v low lower/attr

overlay() {
  mount -t overlay none -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work$options" "$dir/merged"
}
overlay || exit 77
trap 'umount -l "$dir/merged" 2>/dev/null' EXIT

cat >"$dir/change" <<'END'
cd "$1" || exit 1
echo new >new
echo changed >file
echo more >>hardB
rm gone
mv moved renamed
mv dir dir2 2>/dev/null || cp -r dir dir2
rm -r tree
mkdir tree
echo x >tree/x
ln hard hard2
chmod 600 mode
setfattr -n user.x -v y attr
touch -d @1000 time
ls -la --time-style=+ | sort
cat file new hard hard2 hardB
find . | sort
END
# Without an index, an overlay on FUSE loses sight of the other names.
case $options in *index=on*) echo "rm hard hardB" >>"$dir/change" ;; esac
"$@" sh "$dir/change" "$dir/merged"
"$@" python3 - "$dir/merged" <<'END'
import os, sys
os.chdir(sys.argv[1])
fd = os.open("dir2/unlinked", os.O_CREAT | os.O_RDWR)
os.write(fd, b"x" * 5000)
os.unlink("dir2/unlinked")
print(os.pread(fd, 3, 0), os.fstat(fd).st_nlink)
unnamed = os.open(".", os.O_TMPFILE | os.O_RDWR)
os.write(unnamed, b"unnamed")
print(os.pread(unnamed, 10, 0), sorted(os.listdir(".")))
END
find upper -printf '%P %y %m %n %s\n' | sort
getfattr -d -m 'user|trusted.overlay.(opaque|redirect)' -R upper 2>/dev/null | grep -v '^$' | sed 's/redirect=.*/redirect/'

umount merged
# The upper layer is an ordinary directory in between.
"$@" sh -c 'echo between >>"$0/upper/file"; mv "$0/upper/new" "$0/upper/newer"' "$dir"
overlay || exit 1
find merged | sort
cat merged/file merged/newer
umount merged
