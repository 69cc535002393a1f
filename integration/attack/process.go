package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mostMemory is how far an agent may make the proxy grow, in bytes.
const mostMemory = 256 << 20

// resident is a size of the proxy's memory, in bytes: VmRSS now, or VmHWM since
// its peak was last forgotten (proc(5), status).
func (s *stage) resident(field string) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == field {
			kib, _ := strconv.Atoi(f[1])
			return kib << 10
		}
	}
	return 0
}

// forgetPeak lets VmHWM begin anew.
func (s *stage) forgetPeak() {
	os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

// aftermath looks at what all attacks together left.
func (s *stage) aftermath() (all []outcome) {
	check := func(group, name, broken, record string) {
		all = append(all, outcome{attack: &attack{Name: name, group: group}, broken: broken, record: record})
	}
	grew, broken := s.resident("VmHWM:")-s.before, ""
	if grew > mostMemory {
		broken = fmt.Sprintf("the proxy grew by %d MiB, want at most %d", grew>>20, mostMemory>>20)
	}
	check(groupLimits, fmt.Sprintf("memory after all of it (%d MiB more)", grew>>20), broken, "")
	var stray string
	for _, a := range s.got.of("") {
		stray += a.wrong("") + "\n" + a.text
	}
	if broken = ""; stray != "" {
		broken = "requests of the proxy's own went where they must not"
	}
	check(groupTenants, "requests that no attack asked for", broken, stray)
	alive := s.alive()
	s.stop()
	if broken = ""; !alive {
		broken = "the proxy ended by itself"
	}
	check(groupLimits, "the proxy lives", broken, last(s.log.String(), 4000))
	bad := s.log.wrong()
	if broken = ""; len(bad) > 0 {
		broken = fmt.Sprintf("%d lines that must not be in a log", len(bad))
	}
	check(groupAudit, "the log, with debug lines", broken, clip(strings.Join(bad, "\n"), 3000))
	broken, record := s.files()
	check(groupAudit, "files of the proxy", broken, record)
	return all
}

// files looks for secrets in all that the proxy wrote.
func (s *stage) files() (broken, record string) {
	n := 0
	filepath.WalkDir(s.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, ".token") {
			return err
		}
		b, err := os.ReadFile(path)
		if found := leaks(string(b)); found != "" {
			broken = "a file holds a secret"
			record += path + ": " + found + "\n"
		}
		n++
		return err
	})
	if n < 5 {
		return fmt.Sprintf("only %d files below %s: this tests nothing", n, s.Dir), ""
	}
	return broken, record
}
