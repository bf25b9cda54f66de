// Changes owners from many goroutines at once, without a C library, and looks whether that shows.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func shown(path string) string {
	info, err := os.Lstat(path)
	must(err)
	stat := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%s %d:%d %v %d", path, stat.Uid, stat.Gid, info.Mode(), stat.Rdev)
}

func main() {
	must(os.MkdirAll("go/many", 0o755))
	var group sync.WaitGroup
	for worker := 1; worker <= 8; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			for number := 0; number < 100; number++ {
				path := fmt.Sprintf("go/many/%d-%d", worker, number)
				must(os.WriteFile(path, []byte(path), 0o644))
				must(os.Chown(path, worker, number))
				info, err := os.Stat(path)
				must(err)
				stat := info.Sys().(*syscall.Stat_t)
				if int(stat.Uid) != worker || int(stat.Gid) != number {
					panic(fmt.Sprint(path, stat.Uid, stat.Gid))
				}
			}
		}(worker)
	}
	group.Wait()
	must(os.Symlink("many", "go/link"))
	must(os.Lchown("go/link", 5, 6))
	must(syscall.Mknod("go/device", syscall.S_IFCHR|0o600, 0x0103))
	must(os.WriteFile("go/program", []byte("x"), 0o755))
	must(os.Chmod("go/program", 0o751|os.ModeSetuid))
	said, err := os.Create("go/said")
	must(err)
	for _, path := range []string{"go/link", "go/device", "go/program", "go/many/3-44"} {
		fmt.Fprintln(said, shown(path))
	}
	// The runtime changes the ids of all its threads.
	must(syscall.Setgroups([]int{7, 8}))
	must(syscall.Setegid(33))
	must(syscall.Seteuid(33))
	fmt.Fprintln(said, os.Geteuid(), os.Getegid(), os.Chown("go/program", 1, 1))
	must(syscall.Seteuid(0))
	must(syscall.Setegid(0))
	child := exec.Command("id", "-u")
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 44, Gid: 45}}
	output, err := child.CombinedOutput()
	must(err)
	fmt.Fprintf(said, "%s", output)
}
