package confine

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/attache-proxy/attache/caddymodule/command/confine/inside"
)

// systemDirs are what a command may read of the system: programs, libraries, settings.
var systemDirs = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew",
	"/run/current-system", "/var/lib/alternatives", cgroups, "/sys/devices/system/cpu", "/sys/devices/system/node",
}

// wide are directories that are never a run's working directory: what lies there is
// everybody's.
var wide = []string{"/", "/tmp", "/var", "/var/tmp", "/home", "/root", "/run", "/usr", "/etc", "/opt", "/mnt", "/media", "/srv", "/lib", "/bin", "/sbin", "/boot", "/nix", "/var/lib", "/var/run"}

// view works out which files a command has.
type view struct {
	plan  *inside.Plan
	home  string   // real; empty where there is none
	named []string // what was given by its own name
}

// see fills in the files of a plan.
func see(plan *inside.Plan, f Files) error {
	v := &view{plan: plan}
	dir, err := filepath.EvalSymlinks(f.Dir)
	if err != nil {
		return fmt.Errorf("the working directory: %w", err)
	}
	v.home, err = realHome(f.Home)
	if err != nil {
		return err
	}
	if why := v.tooWide(dir); why != "" {
		return fmt.Errorf("the working directory is %s, %s: the command could write all of it. Change into the directory of one project, or give it another to begin in: (cd DIR && attache exec …)", dir, why)
	}
	plan.Dir = dir
	plan.Private = []string{"/tmp", "/var/tmp", "/run", "/dev/shm"}
	if v.home != "" {
		plan.Private = append(plan.Private, v.home)
	}
	plan.Writable = slices.Clone(plan.Private)
	plan.Links = []inside.Link{{At: "/var/run", To: "/run"}, {At: "/var/lock", To: "/run/lock"}}
	v.system()
	v.tools(f.Path, dir)
	for _, at := range f.Trust {
		v.add(at, false)
	}
	v.follow(f.Dir)
	v.add(dir, true)
	for _, given := range []struct {
		option   string
		paths    []string
		writable bool
	}{{"--ro", f.ReadOnly, false}, {"--rw", f.ReadWrite, true}} {
		for _, at := range given.paths {
			if err := v.give(f.Dir, at, given.writable); err != nil {
				return fmt.Errorf("%s %s: %w", given.option, at, err)
			}
		}
	}
	if err := v.apart(f.Trust); err != nil {
		return err
	}
	// What lies within another is mounted after it.
	slices.SortStableFunc(plan.Root, func(a, b inside.Mount) int {
		return cmp.Compare(strings.Count(a.To, "/"), strings.Count(b.To, "/"))
	})
	return v.hideAll(f)
}

// apart refuses what the command could write and in which lies what the next run believes:
// the certificates that it trusts, and what programs load first. Hidden or mounted to read
// alone, the directory could still be moved away with what is around it.
func (v *view) apart(trust []string) error {
	for _, at := range trust {
		real, err := filepath.EvalSymlinks(at)
		if err != nil {
			continue
		}
		for _, m := range v.plan.Root {
			if m.Writable && within(real, m.To) {
				return fmt.Errorf("in %s, which the command could write, lies %s, where the files are that exec itself trusts: give it less with --rw, begin in another directory, or put those elsewhere (--dir, XDG_CACHE_HOME)", m.To, real)
			}
		}
	}
	return nil
}

// realHome is the home without symbolic links. One that is no directory is none.
func realHome(home string) (string, error) {
	if home == "" || home == "/" || !filepath.IsAbs(home) {
		return "", nil
	}
	real, err := filepath.EvalSymlinks(home)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return real, err
}

// tooWide says why a directory is more than a project; empty where it is none.
func (v *view) tooWide(dir string) string {
	switch {
	case v.home != "" && dir == v.home:
		return "your home"
	case v.home != "" && within(v.home, dir):
		return "in which your home is"
	case slices.Contains(wide, dir), slices.Contains(systemDirs, dir):
		return "a directory of the system"
	case within(dir, "/proc"), within(dir, "/sys"), within(dir, "/dev"):
		return "a directory of the kernel"
	}
	return ""
}

func (v *view) system() {
	for _, at := range systemDirs {
		info, err := os.Lstat(at)
		if err != nil {
			continue
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if to, err := os.Readlink(at); err == nil {
				v.plan.Links = append(v.plan.Links, inside.Link{At: at, To: to})
			}
			continue
		}
		if at != cgroups || isCgroup2(at) {
			v.add(at, false)
		}
	}
}

// cgroups is where programs find how much memory they may have. Of version 1 there are
// a dozen file systems below it.
const cgroups = "/sys/fs/cgroup"

func isCgroup2(at string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(at, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// tools are programs in the home: the known places, and what PATH names there.
func (v *view) tools(path, work string) {
	if v.home == "" {
		return
	}
	for _, name := range toolchains {
		v.add(filepath.Join(v.home, name), false)
	}
	for _, dir := range filepath.SplitList(path) {
		real, err := resolved(dir)
		if err == nil && within(real, v.home) && real != v.home && !within(filepath.Clean(dir), work) { // there an earlier run may have put a link
			v.add(real, false)
		}
	}
}

// add makes a path visible, if it is there, and not so already by what is around it.
func (v *view) add(at string, writable bool) {
	if at == "" {
		return
	}
	if _, err := os.Stat(at); err != nil {
		return
	}
	i := slices.IndexFunc(v.plan.Root, func(m inside.Mount) bool { return m.To == at })
	if i >= 0 {
		v.plan.Root[i].Writable = writable
	} else {
		v.plan.Root = append(v.plan.Root, inside.Mount{From: at, To: at, Writable: writable})
	}
	if writable {
		v.plan.Writable = append(v.plan.Writable, at)
	}
}

// give makes a path visible that the user named.
func (v *view) give(dir, at string, writable bool) error {
	if rest, ok := strings.CutPrefix(at, "~/"); ok && v.home != "" {
		at = filepath.Join(v.home, rest)
	}
	if !filepath.IsAbs(at) {
		at = filepath.Join(dir, at)
	}
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return err
	}
	if work, err := filepath.EvalSymlinks(dir); err == nil && !within(real, work) && (within(at, dir) || within(at, work)) {
		return fmt.Errorf("a symbolic link leads out of the working directory, to %s: an earlier run may have put it there. Give that by its own name, if you mean it", real)
	}
	for _, kernel := range []string{"/proc", "/sys", "/dev"} {
		if within(real, kernel) || within(kernel, real) {
			return errors.New("the kernel's own files are not given to a command")
		}
	}
	v.named = append(v.named, real)
	v.follow(at)
	v.add(real, writable)
	return nil
}

// follow makes a name lead where it leads outside: its symbolic links, where nothing
// that is visible has them.
func (v *view) follow(at string) {
	for range 40 {
		link := firstLink(at)
		if link == "" {
			return
		}
		to, err := os.Readlink(link)
		if err != nil {
			return
		}
		if !v.visible(filepath.Dir(link)) {
			v.plan.Links = append(v.plan.Links, inside.Link{At: link, To: to})
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(link), to)
		}
		at = filepath.Join(to, strings.TrimPrefix(at, link))
	}
}

// firstLink is the first component of a path that is a symbolic link, with what is
// before it.
func firstLink(at string) string {
	for i := 1; i <= len(at); i++ {
		if i < len(at) && at[i] != '/' {
			continue
		}
		if info, err := os.Lstat(at[:i]); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return at[:i]
		}
	}
	return ""
}

func (v *view) visible(at string) bool {
	return slices.ContainsFunc(v.plan.Root, func(m inside.Mount) bool { return within(at, m.To) })
}

// hideAll covers what nobody is to see, where what is around it is visible.
func (v *view) hideAll(f Files) error {
	for _, at := range f.Hide {
		if rest, ok := strings.CutPrefix(at, "~/"); ok && v.home != "" {
			at = filepath.Join(v.home, rest)
		}
		if !filepath.IsAbs(at) {
			at = filepath.Join(f.Dir, at)
		}
		if _, err := os.Lstat(at); err != nil { // to hide nothing by a typing error would not be noticed
			return fmt.Errorf("--hide %s: %w", at, err)
		}
		v.cover(at)
	}
	for _, at := range hiddenFiles(v.home) {
		if real, err := resolved(at); err == nil && !slices.Contains(v.named, real) {
			v.cover(at)
		}
	}
	for _, at := range f.Never {
		v.cover(at)
		if real, err := filepath.EvalSymlinks(at); err == nil && v.plan.Dir != "" && within(v.plan.Dir, real) {
			return fmt.Errorf("the working directory %s is in %s, where the proxy keeps what no command may read", v.plan.Dir, real)
		}
	}
	return nil
}

// resolved is filepath.EvalSymlinks, quicker where nothing is there: it looks at each
// directory on the way, and most well-known places are empty.
func resolved(at string) (string, error) {
	if _, err := os.Lstat(at); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(at)
}

func (v *view) cover(at string) {
	real, err := resolved(at)
	if err == nil && v.visible(real) && !slices.Contains(v.plan.Hidden, real) {
		v.plan.Hidden = append(v.plan.Hidden, real)
	}
}

// within reports whether a path is dir, or below it.
func within(at, dir string) bool {
	return at == dir || dir == "/" || strings.HasPrefix(at, strings.TrimSuffix(dir, "/")+"/")
}
