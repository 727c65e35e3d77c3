/** The tools of every shell script, and bash with every kind of redirection. */
import { manifest } from "./manifest.ts";
import { testProgram } from "./scenario.ts";

/** A tree with awkward names, links of both kinds, sparse and empty files; its times are set at the end. */
const TREE = `
mkdir -p tree/deep/deeper/deepest tree/empty 'tree/with space'
for i in $(seq 1 40); do printf 'line %d of forty\\nneedle %d\\n' "$i" "$((i % 7))" > "tree/file$i"; done
seq 1 20000 > tree/deep/numbers
head -c 300000 /dev/zero | tr '\\0' 'x' > tree/deep/deeper/long
printf 'needle in the deep\\n' > tree/deep/deeper/deepest/needle
printf 'no newline' > 'tree/with space/a b'
printf 'x' > "tree/$(printf 'new\\nline')"
printf 'y' > tree/ünïcode
: > tree/empty/nothing
truncate -s 5M tree/sparse
printf end >> tree/sparse
ln -s ../deep/numbers tree/empty/link
ln -s nowhere tree/dangling
ln tree/file1 tree/hard
mkfifo tree/fifo
chmod 4755 tree/file2
chmod 0000 tree/file3
chmod 1777 tree/empty
find tree -depth -exec touch -h -d '2001-02-03 04:05:06.789' {} +
`;

/** Sizes of directories and the blocks behind "total" are each file system's own. */
const LISTING =
  `ls -lR --time-style=full-iso tree | sed -E '/^total/d; s/^(d[^ ]+ +[0-9]+ +[^ ]+ +[^ ]+) +[0-9]+/\\1/'`;

testProgram({
  name: "tools: ls, find, cp, mv, rm, tar, grep, rg, sort, sed and their kind",
  async perform(place) {
    await place.sh(TREE);
    const results: Record<string, string> = {};
    const commands: Record<string, string> = {
      "ls -lR": LISTING,
      "ls":
        "ls -aFi1 tree | sed -E 's/^ *[0-9]+ //'; ls -d tree/*; ls -lL tree/empty/link | cut -d' ' -f5",
      "find":
        `find tree -printf '%p %y %m %n %l\\n' | sort; find tree -type f -size +3k -newermt 2000-01-01 | sort; find tree -samefile tree/hard | sort
        find tree -empty | sort; find . -name '*[0-9]' -perm /111; find tree -lname '*numbers' -o -xtype l | sort; find tree -maxdepth 1 -links +1 -type f | sort`,
      "cat":
        "cat tree/file1 tree/deep/numbers 'tree/with space/a b' - < tree/file2 | md5sum; cat -n tree/file5; tac tree/file6; nl tree/file7",
      "parts":
        "head -c 100 tree/deep/numbers; tail -n 3 tree/deep/numbers; tail -c +108800 tree/deep/numbers | head -n 2; wc tree/file* tree/deep/numbers; cut -d' ' -f2 tree/file9; od -c tree/file10; tail -c 5 tree/sparse",
      "grep -r":
        "grep -rn needle tree --exclude=fifo -D skip | sort; grep -rlc 'of forty' tree -D skip | sort; grep -c 9 tree/deep/numbers; grep -L x tree/file*",
      "rg": "rg -uu --sort path -n needle tree; rg --files tree | sort; rg -c 77 tree/deep/numbers",
      "sort":
        "sort -R --random-source=tree/deep/numbers tree/deep/numbers | sort -n | md5sum; sort -r -k2,2n -t' ' tree/file* | head; sort -S 64k -T . tree/deep/numbers tree/deep/numbers | uniq -c | md5sum; sort -o tree/deep/numbers -n -r tree/deep/numbers; head -n 2 tree/deep/numbers",
      "sed -i":
        "sed -i 's/forty/FORTY/' tree/file*; sed -i.bak '2d' tree/file4; cat tree/file4 tree/file4.bak; stat -c '%n %h %a' tree/hard tree/file1 tree/file2",
      "cp":
        "cp -a tree copy; cp -r --sparse=always tree/sparse sparse2; cmp tree/sparse sparse2; cp -l tree/file8 tree/file8.link; cp -s $PWD/tree/file8 soft; cp -u tree/file8 copy/file8; cp --backup=numbered tree/file8 copy/file9; diff -r --no-dereference tree copy -x fifo | sort || true",
      "mv":
        "mv copy moved; mv -T moved moved2; mkdir target; mv moved2/file1 moved2/file2 target; mv -n target/file1 moved2/file3; mv -b target/file2 moved2/file3; ls target moved2; mv moved2/deep target/; ls -R target",
      "mv elsewhere":
        `mv target ${place.scratch}/aside; (cd ${place.scratch}/aside; ls -R); mv ${place.scratch}/aside back; cat back/deep/deeper/deepest/needle`,
      "tar":
        "tar --sort=name -cf all.tar tree; mkdir out; tar -C out -xpf all.tar; tar -df all.tar; tar -czf all.tgz --exclude=fifo tree; tar -tzf all.tgz | sort; tar -rf all.tar back; tar --delete -f all.tar tree/sparse; tar -tf all.tar | sort | md5sum; diff -r --no-dereference tree out/tree -x fifo",
      "others":
        `split -b 50000 -d tree/deep/numbers part.; cat part.* | cmp - tree/deep/numbers; ls part.*; dd if=tree/deep/numbers of=dd bs=1000 skip=3 seek=2 count=50 conv=notrunc status=none; md5sum dd
        install -m 0640 -D tree/file11 installed/here/file; stat -c '%a %s %F' installed/here/file; readlink -f tree/empty/link; realpath --relative-to=tree tree/deep/deeper; md5sum part.* > sums; md5sum -c sums
        truncate -s +100 dd; stat -c %s dd; shuf -i 1-10 --random-source=part.00 -o shuffled; sort -n shuffled | tr '\\n' ' '; tee t1 t2 < tree/file12 | wc -l; cmp t1 t2; comm -12 t1 t2; paste t1 t2; join t1 t2; csplit -s t1 2; ls xx*
        du --apparent-size -b tree/deep/deeper/long; chmod -R u+rwX,go-w tree; find tree ! -type l -perm /022; f=$(mktemp -p . --suffix=.x) && stat -c '%a %s' $f && rm $f; touch -r tree/fifo ref; stat -c %Y ref
        touch -d @0 ref; date -r ref +%s; ln -sfn tree/deep ref2; ln -sfn tree/empty ref2; readlink ref2; xargs -n 5 wc -c < <(ls tree/file*) 2>/dev/null | tail -1 || true`,
      "rm -r": "rm -r tree/deep; rm -rf tree back out moved2 does-not-exist; rm -f *.tar; ls",
    };
    for (const [name, command] of Object.entries(commands)) {
      const { code, stdout, stderr } = await place.run(["bash", "-uc", `umask 022; ${command}`]);
      results[name] = `${stdout}\n${stderr}\nexit ${code}`;
    }
    results["what is left"] = await manifest(place.dir, { withoutTimes: true }).then((text) =>
      text.split("\n").filter((line) => !/"tmp\.|all\.tgz|^"" /.test(line)).join("\n")
    );
    return results;
  },
});

const REDIRECTIONS = `
umask 022; mkdir work; cd work
say() { echo "== $*"; }
say output, append, clobber;  echo one > f; echo two >> f; cat f; set -C; (echo three > f) 2> e || echo refused; echo three >| f; set +C; cat f
say input;  read -r line < f; echo "$line"; wc -l < f; while read -r l; do echo "<$l>"; done < f
say both;  { echo out; echo err >&2; } &> both; cat both; { echo out; echo err >&2; } &>> both; wc -l < both
say order;  { echo out; echo err >&2; } 2>&1 > only | sed 's/^/piped /'; cat only; { echo out; echo err >&2; } > all 2>&1; cat all
say descriptors;  exec 3> three 4< f 5<> five; echo to3 >&3; read -r x <&4; echo "$x" >&5; exec 3>&- 4<&- 5>&-; cat three five
say named;  exec {fd}> named; echo number >&$fd; exec {fd}>&-; cat named
say moved;  exec 6> six 7>&6-; echo moved >&7; (echo closed >&6) 2>/dev/null || echo 6 is closed; exec 7>&-; cat six
say here;  cat << END
expanded $((1 + 1))
END
cat << 'END'
literal $((1 + 1))
END
cat <<- END
	tabs gone
	END
cat <<< "a here string"
say here large;  cat << END | wc -c
$(seq 1 20000)
END
say process;  diff <(sort f) <(echo three) && echo same; tee >(cat > through) < f > /dev/null; for i in 1 2 3 4 5 6 7 8 9 10; do [ -s through ] && break; sleep 0.1; done; cat through
say shared offset;  { read -r a; cat; } < <(seq 1 5) | tr '\\n' ' '; seq 1 100000 > many; { head -c 10 > /dev/null; read -r a; echo "$a"; (read -r b; echo "$b"); read -r c; echo "$c"; } < many
say shared output;  { echo 1; (echo 2; echo 3 >&2) 2>&1; bash -c 'echo 4'; echo 5; } > shared; cat shared
say append together;  for i in 1 2 3 4; do for j in $(seq 1 50); do echo "$i $j" >> together; done & done; wait; wc -l < together; sort -o together together; uniq together | wc -l
say append inherited;  exec 8>> inherited; for i in 1 2 3 4; do (for j in $(seq 1 50); do echo "$i $j" >&8; done) & done; wait; exec 8>&-; sort -o inherited inherited; uniq inherited | wc -l
say read and write;  printf 'abcdef' > rw; exec 9<> rw; read -r -n 2 x <&9; printf 'XY' >&9; exec 9>&-; cat rw; echo
say truncate in use;  exec 3> t; echo long line >&3; : > t; echo x >&3; exec 3>&-; od -c t | head -3
say deleted;  exec 3<> gone; rm gone; echo kept >&3; cat /dev/fd/3; cat < /proc/self/fd/3; exec 3>&-
say through proc;  exec 3> proc; echo a > /dev/fd/3; echo b >> /proc/$$/fd/3; exec 3>&-; cat proc
say stdin closed;  cat <&- 2>&1 | sed 's/.*: //'; say stdout closed; (echo x >&-) 2>&1 | sed 's/.*: //'
say missing;  (cat < missing) 2>&1 | sed 's/.*: //'; (echo > missing/x) 2>&1 | sed 's/.*: //'; (echo > .) 2>&1 | sed 's/.*: //'
say function, loop, group;  out() { cat; }; out < f > g; for i in 1 2 3; do echo $i; done > loop; { cat loop; } 2>/dev/null | wc -l; if true; then echo if; fi > if; cat if g; case x in x) echo case ;; esac > case; cat case
say coproc;  coproc CAT { cat; }; echo ping >&\${CAT[1]}; read -r pong <&\${CAT[0]}; echo $pong; eval "exec \${CAT[1]}>&-"; wait
say source;  echo 'sourced=yes' > s; . ./s; echo $sourced; mapfile -t lines < many; echo \${#lines[@]} "\${lines[99999]}"; exec 3< many; mapfile -u 3 -n 2 two; echo "\${two[1]}"; read -r -u 3 third; echo $third; exec 3<&-
say exec;  (exec > replaced; echo in; ls -d .) ; cat replaced; printf '#!/bin/sh\\necho script $0 $#\\n' > script; chmod +x script; ./script a b; PATH=$PWD:$PATH script c
say background;  (sleep 0.1; echo late) > late & wait; cat late; yes | head -n 3 > y; cat y
say noclobber race;  set -C; for i in 1 2 3 4 5 6; do (echo $i > only_one) 2>/dev/null && echo won; done | wc -l; set +C
say test;  [ -e f ] && [ -s f ] && [ ! -s if2 ] && [ -x script ] && [ f -nt . ] || true; [[ -f f && -d . && ! -L f && f -ef ./f ]] && echo tests
say glob;  shopt -s nullglob globstar; mkdir -p d/e; : > d/e/z; echo d/** nothing*; echo [a-c]*; compgen -G 's*' | sort | tr '\\n' ' '; echo
say umask;  umask 077; : > private; umask 022; : > public; stat -c '%a %n' private public
say history of one file;  for i in $(seq 1 300); do echo $i > over; done; cat over; for i in $(seq 1 300); do read -r x < over; done; echo $x
say pwd;  cd d/e; pwd -P; cd ../..; pushd d > /dev/null; dirs -l | wc -w; popd > /dev/null; cd -P d/./e/..; pwd; cd ..; (cd d; rm -r e; ls)
`;

testProgram({
  name: "bash: every kind of redirection",
  async perform(place) {
    return {
      printed: await place.ok(["bash", "-c", REDIRECTIONS]),
      left: await manifest(`${place.dir}/work`, { withoutTimes: true }),
    };
  },
});
