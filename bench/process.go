package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is something that we started. It dies with us.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file with its standard error
	done chan struct{}
}

// start runs a command. Its standard output goes to out; nil throws it away.
func start(name, dir string, env []string, out io.Writer, stdin io.Reader, command string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	stderr, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stderr.Close() }()
	p.cmd = exec.Command(command, args...)
	p.cmd.Dir, p.cmd.Stderr, p.cmd.Stdin, p.cmd.Stdout = dir, stderr, stdin, out
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	return p, nil
}

// stop ends the process: first politely, after two seconds not.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(2 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// until calls try every millisecond until it succeeds.
func (p *process) until(ctx context.Context, limit time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.name, p.said())
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; it said: %s", p.name, err, p.said())
		case <-time.After(time.Millisecond):
		}
	}
}

// said is the end of what the process wrote to its log.
func (p *process) said() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// usage is what a process has used.
type usage struct {
	CPU      time.Duration // user and system
	RSS, HWM int64         // bytes now, and at most
}

func (a usage) add(b usage) usage { return usage{a.CPU + b.CPU, a.RSS + b.RSS, a.HWM + b.HWM} }

// tick is the unit of /proc/PID/stat: USER_HZ, which is 100 on every Linux.
const tick = 10 * time.Millisecond

// usage sums the process and its children: nginx works in children.
func (p *process) usage() (usage, error) {
	if p == nil {
		return usage{}, nil
	}
	return usageOf(p.cmd.Process.Pid)
}

func usageOf(pid int) (usage, error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return usage{}, err
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return usage{}, err
	}
	u, err := parseUsage(string(stat), string(status))
	if err != nil {
		return u, fmt.Errorf("%s: %w", dir, err)
	}
	children, err := os.ReadFile(fmt.Sprintf("%stask/%d/children", dir, pid))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return u, err
	}
	for _, f := range strings.Fields(string(children)) {
		child, err := strconv.Atoi(f)
		if err != nil {
			return u, err
		}
		if more, err := usageOf(child); err == nil {
			u = u.add(more)
		}
	}
	return u, nil
}

// parseUsage reads utime and stime (proc_pid_stat(5), fields 14 and 15), and
// VmRSS and VmHWM (proc_pid_status(5)).
func parseUsage(stat, status string) (usage, error) {
	var u usage
	_, after, ok := strings.Cut(stat[max(0, strings.LastIndexByte(stat, ')')):], ") ")
	fields := strings.Fields(after) // from field 3 on
	if !ok || len(fields) < 13 {
		return u, errors.New("stat has another shape than proc_pid_stat(5) says")
	}
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, err
		}
		u.CPU += time.Duration(n) * tick
	}
	for line := range strings.Lines(status) {
		var into *int64
		switch {
		case strings.HasPrefix(line, "VmRSS:"):
			into = &u.RSS
		case strings.HasPrefix(line, "VmHWM:"):
			into = &u.HWM
		default:
			continue
		}
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "kB" {
			return u, fmt.Errorf("status says %q", line)
		}
		n, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return u, err
		}
		*into = n << 10
	}
	return u, nil
}
