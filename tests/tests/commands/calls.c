// Changes owners of all kinds of files in all ways, and prints what the system says.
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <sys/wait.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <pthread.h>
#include <grp.h>
static void ended(int signal){}
static void*th(void*p){ struct stat s; for(int i=0;i<300;i++){char n[64]; sprintf(n,"thr/%ld-%d",(long)p,i); close(open(n,O_CREAT|O_WRONLY,0644)); if(lchown(n,(long)p,i)) perror("chown"); if(stat(n,&s)||s.st_uid!=(long)p||s.st_gid!=i) printf("BAD %s %d:%d\n",n,s.st_uid,s.st_gid); if(i%2) {unlink(n);} } return 0;}
int main(void){ struct stat s; setvbuf(stdout,0,_IONBF,0); mkdir("py",0755);
 int f=open("py/f",O_CREAT|O_RDWR,0640); fchown(f,100,101); fstat(f,&s); printf("%d:%d\n",s.st_uid,s.st_gid); fchmod(f,04755); 
 int d=open("py",O_RDONLY|O_DIRECTORY); fstatat(d,"f",&s,0); printf("%o\n",s.st_mode); unlink("py/f"); fstat(f,&s); printf("unlinked %d:%d\n",s.st_uid,s.st_gid); fchown(f,1,2); fstat(f,&s); printf("unlinked %d:%d\n",s.st_uid,s.st_gid);
 int t=open("py",O_TMPFILE|O_RDWR,0600); if(t<0)perror("tmpfile"); if(fchown(t,7,8))perror("fchown"); char b[64]; sprintf(b,"/proc/self/fd/%d",t); if(linkat(AT_FDCWD,b,AT_FDCWD,"py/t",AT_SYMLINK_FOLLOW))perror("linkat"); stat("py/t",&s); printf("tmpfile %d:%d\n",s.st_uid,s.st_gid);
 stat(b,&s); printf("magic %d:%d\n",s.st_uid,s.st_gid); if(chown(b,9,10))perror("chown magic"); stat("py/t",&s); printf("magic %d:%d\n",s.st_uid,s.st_gid);
 if(fchownat(d,"t",11,12,AT_SYMLINK_NOFOLLOW))perror("at"); fstatat(d,"t",&s,AT_SYMLINK_NOFOLLOW); printf("at %d:%d\n",s.st_uid,s.st_gid);
 fchdir(d); if(chown("t",13,14))perror("rel"); if(chown("./../py/./t",15,16))perror("rel"); lstat("t",&s); printf("rel %d:%d\n",s.st_uid,s.st_gid); if(chown("nothing",1,1)) printf("%s\n",strerror(errno)); if(chown("t/x",1,1)) printf("%s\n",strerror(errno)); symlink("loop","loop"); if(chown("loop",1,1)) printf("%s\n",strerror(errno)); if(chown((char*)8,1,1)) printf("%s\n",strerror(errno)); if(chown("",1,1)) printf("%s\n",strerror(errno)); if(fchown(99,1,1)) printf("%s\n",strerror(errno)); if(stat("t",(void*)8)) printf("%s\n",strerror(errno)); if (fchownat(AT_FDCWD,"t",1,1,0x80000)) printf("%s\n",strerror(errno)); if(fchownat(99,"t",1,1,0)) printf("%s\n",strerror(errno)); if(fchownat(99,"/build/none",1,1,0)) printf("%s\n",strerror(errno));
 char big[5000]; memset(big,'a',4999); big[4999]=0; if(stat(big,&s)) printf("%s\n",strerror(errno)); 
 mkfifo("ff",0666); struct stat u; stat("ff",&u); printf("fifo %o\n",u.st_mode); if(mkfifo("ff",0666)) printf("%s\n",strerror(errno)); if(mknod("ff",S_IFCHR,1)) printf("%s\n",strerror(errno)); if(mknod("no/ff",S_IFCHR,1)) printf("%s\n",strerror(errno)); if(mknod(".",S_IFCHR,1)) printf("%s\n",strerror(errno)); if(mknod("sl/",S_IFCHR|0600,1)) printf("sl %s\n",strerror(errno));
 if(mknod("reg",S_IFREG|0604,0)) printf("%s\n",strerror(errno)); if(mknod("reg0",0604,0)) printf("%s\n",strerror(errno)); if (mknod("dir",S_IFDIR|0700,0)) printf("mknod dir %s\n",strerror(errno));
 chmod("ff",0640); if(mknod("wo",S_IFCHR|0666,0)) printf("whiteout %s\n",strerror(errno)); unlink("wo");
 int sk=socket(AF_UNIX,SOCK_STREAM,0); struct sockaddr_un a={AF_UNIX,"sock"}; bind(sk,(void*)&a,sizeof a); chown("sock",5,5); stat("sock",&s); printf("sock %d\n",s.st_uid);
 setxattr("t","user.x","1",1,0); char l[100]; ssize_t n=listxattr("t",l,100); printf("x %d\n",(int)n); if(setxattr("t","security.capability","bad",3,0)) printf("badcap %s\n",strerror(errno)); if(getxattr("t","security.capability",l,100)<0) printf("nocap %s\n",strerror(errno)); 
 // What is in the upper half of a register; a file without a name; and children that end meanwhile.
 if(syscall(SYS_mknodat,AT_FDCWD,"dev",S_IFBLK|0600,0xdeadbeef00000805ul)) perror("dev"); lstat("dev",&s); printf("dev %lx\n",(long)s.st_rdev);
 mkdir("sg",0755); chown("sg",0,77); chmod("sg",02755); int n2=open("sg",O_TMPFILE|O_RDWR,0600); if(n2<0||fstat(n2,&s)) perror("nameless"); printf("nameless %d:%d\n",s.st_uid,s.st_gid);
 struct sigaction on_child={.sa_handler=ended}; sigaction(SIGCHLD,&on_child,0); int interrupted=0;
 for(int i=0;i<300;i++){ if(!fork()) _exit(0); int o=open("sig",O_CREAT|O_WRONLY,0644); if(o<0) interrupted++; else close(o); if(chown("sig",1,1)||stat("sig",&s)) interrupted++; while(waitpid(-1,0,WNOHANG)>0); }
 printf("interrupted %d\n",interrupted); signal(SIGCHLD,SIG_DFL); while(waitpid(-1,0,0)>0);
 int pid=fork(); if(!pid){ gid_t g[2]={55,44}; syscall(SYS_setgroups,0xdead00000002ul,g); setresgid(44,44,44); setresuid(33,33,33); char cmd[]="x"; printf("ids %d %d %d\n",getuid(),getegid(),getgroups(0,0)); int r=open("u1",O_CREAT|O_WRONLY,0666); printf("u1 %s\n",r<0?strerror(errno):"ok"); if(chown("t",1,1)) printf("u %s\n",strerror(errno)); if(setuid(0)) printf("setuid %s\n",strerror(errno)); fflush(stdout); _exit(0);} 
 waitpid(pid,0,0);
 pid=fork(); if(!pid){ pthread_t x; seteuid(33); printf("e %d %d\n",getuid(),geteuid()); mkdir("/tmp/nope",0777); seteuid(0); printf("e %d\n",geteuid()); setfsuid(12); printf("fsu %d\n",setfsuid(-1)); fflush(stdout); _exit(0);} waitpid(pid,0,0);
 chdir(".."); mkdir("thr",0755); pthread_t p[6]; for(long i=0;i<6;i++) pthread_create(p+i,0,th,(void*)(i+1)); for(int i=0;i<6;i++) pthread_join(p[i],0);
 return 0;}
