package start

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// holder is the process that listens on a port of TCP, and its name; 0 where that
// cannot be seen.
func holder(port int) (pid int, name string) {
	var inodes []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		inodes = append(inodes, listening(table, port)...)
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(to, "socket:[")
		if !ok || !slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
			continue
		}
		proc := strings.Split(link, "/")[2]
		pid, _ = strconv.Atoi(proc)
		comm, _ := os.ReadFile("/proc/" + proc + "/comm")
		return pid, strings.TrimSpace(string(comm))
	}
	return 0, ""
}

// listening are the inodes of the sockets that listen on a port, in a table of the
// form of /proc/net/tcp.
func listening(table string, port int) (inodes []string) {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 10 || words[3] != "0A" { // TCP_LISTEN
			continue
		}
		_, hex, _ := strings.Cut(words[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
			inodes = append(inodes, words[9])
		}
	}
	return inodes
}
