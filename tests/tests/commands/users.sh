id > ids
mkdir -p -m 1777 tmp w; chown 33:44 w
setpriv --reuid 33 --regid 44 --clear-groups bash -c 'id; umask; touch tmp/byweb; mkdir tmp/dweb; ln -s x tmp/lweb; echo a > tmp/dweb/a; mkfifo tmp/pweb; cp /etc/passwd tmp/cp; mv tmp/cp tmp/mv; chmod 4755 tmp/mv; stat -c "%n %u:%g %a" tmp/*; chown 0:0 tmp/mv 2> /dev/null || echo refused; chown 33:44 tmp/mv && echo same; chown :44 tmp/mv; ln tmp/mv tmp/hard; install -m 700 /etc/passwd tmp/inst; touch w/in; dd if=/dev/null of=w/dd 2>/dev/null; > w/trunc; echo x >> w/app; cat nothing < /dev/null 2>/dev/null; setpriv --reuid 0 true 2> /dev/null || echo noroot; mknod tmp/z c 1 3 2> /dev/null || echo nomknod' >> ids 2>&1
setpriv --reuid 33 --regid 44 --groups 44,55 bash -c 'id; touch tmp/g; chown :55 tmp/g && echo group; chown :56 tmp/g 2> /dev/null || echo no' >> ids 2>&1
perl -e '$>=33; $)=44; open F,">","tmp/perl"; close F; mkdir "tmp/perld"; $>=0; $)=0; open F,">","tmp/perl2"; print "$< $> $( $)\n"' >> ids 2>&1
perl -e 'fork and wait or do { ($(,$))=(44,44); ($<,$>)=(33,33); open F,">","tmp/perl3"; print "$< $>\n"; system "id"; }' >> ids 2>&1
echo x > prog; setcap cap_net_raw+ep prog; getcap prog >> ids 2>&1; cp -a prog prog2; getcap prog2 >> ids; install -m 755 prog prog3; mv prog2 prog4; getcap prog4 >> ids
chown 5:5 prog4; getcap prog4 >> ids; echo end >> ids
mkdir sg; chown 0:77 sg; chmod 2775 sg; setpriv --reuid 33 --regid 44 --groups 77 bash -c 'touch sg/f; mkdir sg/d; touch sg/d/f; ln -s a sg/l; stat -c "%n %u:%g %a" sg/* sg/d/f' >> ids 2>&1
cp -a sg sg2; tar -cf x.tar sg tmp; mkdir x; tar -xpf x.tar -C x --xattrs; rm x.tar
stat -c '%n %u:%g %a' sg2/* x/*/* >> ids 2>&1
(umask 0; install -d -o 1 -g 2 -m 3777 ins; install -o web -g www -m 6711 prog ins/p; mkdir -m 700 ins/m)
chroot --userspec=33:44 / bash -c 'id; touch tmp/bychroot' >> ids 2>&1
busybox su web -s /bin/sh -c 'id; touch tmp/bysu; mkdir nowhere 2> /dev/null || echo refused' >> ids 2>&1
! setpriv --reuid 33 --regid 44 --clear-groups touch /new 2> /dev/null
find . -xdev -nouser -o -xdev -uid +30 | sort > nouser
stat -c '%u:%g %a' /bin/sh / /dev /dev/null /.terrine >> ids
