umask 022
mkdir -p home/alice/.config var/lib/web etc
echo a > home/alice/.config/a; echo b > home/alice/b
chown -R 1000:1000 home/alice
ln -s b home/alice/l; chown -h 7:8 home/alice/l
chown 9:10 home/alice/l
mkdir dev2; mknod dev2/null c 1 3; mknod -m 600 dev2/sda b 8 0; mkfifo dev2/pipe; chown 0:6 dev2/sda; chown 3:4 dev2/pipe
mkdir bin; echo x > bin/su; chmod 4755 bin/su; echo x > bin/wall; chown 0:5 bin/wall; chmod 2755 bin/wall; mkdir -p tmp; chmod 1777 tmp
echo y > bin/lost; chmod 6755 bin/lost; chown 12:13 bin/lost; echo z > bin/kept; chmod 6755 bin/kept; echo z >> bin/kept; cp -p bin/kept bin/kept2; chmod 755 bin/kept2; echo w > bin/group; chmod 2644 bin/group; chown 1:1 bin/group; echo w >> bin/group
mkdir -p var/www; cp bin/su var/www/page; chown 33:44 var/www var/www/page; chmod 2750 var/www; chmod 640 var/www/page
cp -a home/alice var/copy; cp -a dev2 var/dev3
mkdir t; (cd home && tar -cf ../t/x.tar alice); (cd t && tar -xpf x.tar && rm x.tar)
(cd var && tar -cf - www dev3) | (cd t && tar -xpf -)
echo l > hard1; chown 21:22 hard1; ln hard1 hard2; ln hard2 t/hard3; chmod 4711 t/hard3
i=0; while [ $i -lt 200 ]; do echo $i > r$i; chown $i:$i r$i; rm r$i; i=$((i+1)); done
echo fresh > r; i=0; while [ $i -lt 50 ]; do echo $i > n$i; i=$((i+1)); done
stat -c '%u:%g' n0 n49 r > owners
mkdir -m 2775 shared; chown 0:77 shared; chmod 2775 shared; echo f > shared/f; mkdir shared/d; mkfifo shared/p; ln -s f shared/l; echo g > shared/d/g; mknod shared/n c 1 5
stat -c '%n %u:%g %a' shared/* shared/d/g >> owners
(umask 077; echo s > secret; mkdir secrets); (umask 0; echo o > open; mkdir opens)
echo n > none; chmod 000 none; mkdir closed; echo c > closed/c; chmod 000 closed/c closed
cat none > none2; cat closed/c > closed2
mkdir 'with space'; echo 1 > 'with space/new
line'; printf 'x' > "$(printf 'bytes\377\376')"; chown 5:5 "$(printf 'bytes\377\376')"
d=deep; i=0; while [ $i -lt 60 ]; do d=$d/dddddddd; i=$((i+1)); done; mkdir -p $d; echo deep > $d/f; chown -R 66:67 deep
if command -v owner > owner.path; then owner; echo "owner $?" >> owners; fi; rm -f owner.path
mv var/copy var/moved; stat -c '%u:%g' var/moved/b >> owners
cp -a var/moved/l var/l2; stat -c '%u:%g' var/l2 >> owners
echo body > big; chown 4294967294:4294967294 big; chown 70000:70001 owners2 2>/dev/null || touch owners2; chown 70000:70001 owners2
stat -c '%u:%g' big owners2 >> owners
chown 0:0 none2; chown :55 none2; chown 44 none2; stat -c '%u:%g' none2 >> owners
find . -user 1000 | sort > found
ls -ln dev2 | sed 's/ [A-Z].*:.* / /' > lsn
[ -O hard1 ] && echo own >> owners || echo notown >> owners
[ -b dev2/sda ] && [ -c dev2/null ] && [ -p dev2/pipe ] && [ -u bin/su ] && [ -k tmp ] && echo types >> owners
(: < dev2/null) 2> /dev/null && echo opened >> owners || echo 'not opened' >> owners
for program in owner-musl owner-go; do rm -f static.*; if command -v $program > which; then $program; echo "$program $?" >> owners; fi; done; rm which
