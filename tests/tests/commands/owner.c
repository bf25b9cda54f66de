// Changes owners without any library, and looks whether that shows. The exit status tells where not.
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <errno.h>
#include <string.h>
int main(void){ struct stat s; int fd=open("static.txt",O_CREAT|O_WRONLY,0644); dprintf(fd,"made by a static program\n");
 if(fchown(fd,123,456)) {perror("fchown");return 1;} fstat(fd,&s); if(s.st_uid!=123||s.st_gid!=456) {printf("fstat: %d:%d\n",s.st_uid,s.st_gid);return 2;}
 if(chown("static.txt",-1,789)) return 3; if(stat("static.txt",&s)||s.st_uid!=123||s.st_gid!=789) return 4;
 symlink("static.txt","static.link"); if(lchown("static.link",5,6)) return 5; if(lstat("static.link",&s)||s.st_uid!=5||s.st_gid!=6) return 6;

#ifdef STATX_UID
 struct statx x; if(statx(AT_FDCWD,"static.link",AT_SYMLINK_NOFOLLOW,STATX_UID|STATX_GID,&x)||x.stx_uid!=5) return 7;
#endif
 if(mknod("static.dev",S_IFCHR|0600,0x0103)) return 8; if(lstat("static.dev",&s)||!S_ISCHR(s.st_mode)||s.st_rdev!=0x0103) return 9;
 if (fchownat(fd,"",11,12,AT_EMPTY_PATH)) return 10; fstat(fd,&s); if(s.st_uid!=11||s.st_gid!=12) return 11;
 fchmod(fd,04751); fstat(fd,&s); if((s.st_mode&07777)!=04751) return 12;
 fchown(fd,13,14); fstat(fd,&s); if((s.st_mode&07777)!=0751) return 13; return 0;}
