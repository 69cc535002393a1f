package inside

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// The old files are at before, the new ones are made at after; both are in a file
// system of memory that is gone with the last step.
const (
	before = "/before"
	after  = "/after"
	// nothing is an empty file that nobody may read.
	nothing = "/nothing"
)

// files makes the command's files the only ones there are.
func (p *Plan) files() error {
	for _, step := range []func() error{stepAside, p.ground, p.mounts, p.devices, procs, p.hide, p.ours, leave} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// stepAside moves everything that there is to before.
func stepAside() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return named("mount --make-rprivate /", err)
	}
	base := ""
	for _, dir := range []string{"/tmp", "/mnt", "/run", "/dev/shm", "/var"} {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() {
			base = dir
			break
		}
	}
	if err := syscall.Mount("tmpfs", base, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "size=16m,mode=0755"); err != nil {
		return named("mount -t tmpfs", err)
	}
	for _, dir := range []string{before, after} {
		if err := os.Mkdir(base+dir, 0o755); err != nil {
			return err
		}
	}
	if err := syscall.PivotRoot(base, base+before); err != nil {
		return named("pivot_root", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return os.WriteFile(nothing, nil, 0)
}

// ground is what the rest stands on: empty, with the private directories.
func (p *Plan) ground() error {
	if err := syscall.Mount("tmpfs", after, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0755,size="+strconv.FormatUint(p.MaxDisk, 10)); err != nil {
		return named("mount -t tmpfs", err)
	}
	for _, l := range p.Links {
		if err := os.MkdirAll(parent(after+l.At), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(l.To, after+l.At); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, dir := range p.Private {
		if err := os.MkdirAll(after+dir, 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o700)
		if dir == "/tmp" || dir == "/var/tmp" || dir == "/dev/shm" {
			mode = 0o777 | os.ModeSticky
		}
		if err := os.Chmod(after+dir, mode); err != nil {
			return err
		}
		if err := syscall.Mount(after+dir, after+dir, "", syscall.MS_BIND, ""); err != nil {
			return named("mount --bind "+dir, err)
		}
	}
	return nil
}

func (p *Plan) mounts() error {
	for _, m := range p.Root {
		if err := m.bind(); err != nil {
			return named(m.To, err)
		}
	}
	return nil
}

// bind makes a file or directory appear, with everything that is mounted below.
func (m *Mount) bind() error {
	from, err := held(before + m.From)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(from) }()
	var info syscall.Stat_t
	if err := syscall.Fstat(from, &info); err != nil {
		return err
	}
	if err := place(after+m.To, info.Mode&syscall.S_IFMT == syscall.S_IFDIR); err != nil {
		return err
	}
	if err := syscall.Mount(before+"/proc/self/fd/"+strconv.Itoa(from), after+m.To, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return named("mount --bind", err)
	}
	set := uint64(attrNoSUID)
	if !m.Device {
		set |= attrNoDev
	}
	if !m.Writable {
		set |= attrReadOnly
	}
	return setAttributes(after+m.To, set, true)
}

// held is a descriptor of a path that has no symbolic links: it was without when the
// plan was made, and another run in the same directory might have put one there since.
func held(at string) (fd int, err error) {
	name, err := syscall.BytePtrFromString(at)
	if err != nil {
		return 0, err
	}
	how := struct{ flags, mode, resolve uint64 }{flags: oPath | syscall.O_CLOEXEC, resolve: noSymlinks}
	dir := atFDCWD
	n, _, errno := syscall.Syscall6(sysOpenat2, uintptr(dir), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
	if errno != 0 {
		return 0, named("openat2 (Linux 5.6)", errno)
	}
	return int(n), nil
}

// place makes what something is mounted on, where it is not there.
func place(at string, dir bool) error {
	if _, err := os.Lstat(at); err == nil {
		return nil
	}
	if dir {
		return os.MkdirAll(at, 0o755)
	}
	if err := os.MkdirAll(parent(at), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at, nil, 0o644)
}

// devices are few, with terminals of the run's own beside its own terminal.
func (p *Plan) devices() error {
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		m := Mount{From: "/dev/" + name, To: "/dev/" + name, Device: true}
		if err := m.bind(); err != nil {
			return named(m.To, err)
		}
	}
	if err := os.MkdirAll(after+"/dev/pts", 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("devpts", after+"/dev/pts", "devpts", syscall.MS_NOSUID|syscall.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"); err != nil {
		return named("mount -t devpts", err)
	}
	for _, l := range [][2]string{{"ptmx", "pts/ptmx"}, {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}} {
		if err := os.Symlink(l[1], after+"/dev/"+l[0]); err != nil {
			return err
		}
	}
	if p.Terminal != "" {
		m := Mount{From: p.Terminal, To: "/dev/console", Device: true}
		if err := m.bind(); err != nil {
			return named(p.Terminal, err)
		}
	}
	return nil
}

// procs shows the run's processes alone. Nothing can be set there: some of it is the
// whole machine's, and root's to write whatever its capabilities.
func procs() error {
	if err := os.MkdirAll(after+"/proc", 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("proc", after+"/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC|syscall.MS_RDONLY, ""); err != nil {
		return named("mount -t proc", err)
	}
	for _, name := range []string{"keys", "key-users", "kcore", "sched_debug", "timer_list", "sysrq-trigger", "kmsg", "kallsyms", "kpagecount", "kpageflags"} {
		if err := cover(after + "/proc/" + name); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) hide() error {
	for _, at := range p.Hidden {
		if err := cover(after + at); err != nil {
			return named("hiding "+at, err)
		}
	}
	return nil
}

// cover puts nothing over a file or directory, if there is one.
func cover(at string) error {
	info, err := os.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	switch {
	case err != nil:
		return reason(err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil // what it names is hidden by its own name
	case info.IsDir():
		return named("mount -t tmpfs", syscall.Mount("tmpfs", at, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_RDONLY, "size=4k,mode=0000"))
	}
	if err := syscall.Mount(nothing, at, "", syscall.MS_BIND, ""); err != nil {
		return named("mount --bind", err)
	}
	return setAttributes(at, attrReadOnly|attrNoSUID|attrNoDev, false)
}

// ours puts files of our own over what is there.
func (p *Plan) ours() error {
	for i, f := range p.Files {
		own := "/own" + strconv.Itoa(i)
		if err := os.WriteFile(own, []byte(f.Text), 0o444); err != nil {
			return err
		}
		if err := place(after+f.At, false); err != nil {
			return err
		}
		if err := syscall.Mount(own, after+f.At, "", syscall.MS_BIND, ""); err != nil {
			return named("mount --bind "+f.At, err)
		}
		if err := setAttributes(after+f.At, attrReadOnly|attrNoSUID|attrNoDev, false); err != nil {
			return err
		}
	}
	return nil
}

// leave makes the new files the root, and lets go of the old ones.
func leave() error {
	if err := setAttributes(after, attrReadOnly|attrNoSUID|attrNoDev, false); err != nil {
		return err
	}
	if err := os.Chdir(after); err != nil {
		return err
	}
	if err := syscall.PivotRoot(".", "."); err != nil {
		return named("pivot_root", err)
	}
	if err := syscall.Unmount(".", syscall.MNT_DETACH); err != nil {
		return named("umount", err)
	}
	return os.Chdir("/")
}

// Attributes of mount_setattr(2).
const (
	attrReadOnly = 0x1
	attrNoSUID   = 0x2
	attrNoDev    = 0x4

	sysMountSetattr = 442
	sysOpenat2      = 437
	noSymlinks      = 4 // RESOLVE_NO_SYMLINKS
	atFDCWD         = -100
	atRecursive     = 0x8000
)

func setAttributes(at string, set uint64, all bool) error {
	name, err := syscall.BytePtrFromString(at)
	if err != nil {
		return err
	}
	attr := struct{ set, clear, propagation, userns uint64 }{set: set}
	flags := uintptr(0)
	if all {
		flags = atRecursive
	}
	dir := atFDCWD
	if _, _, errno := syscall.Syscall6(sysMountSetattr, uintptr(dir), uintptr(unsafe.Pointer(name)), flags, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0); errno != 0 {
		return named("mount_setattr (Linux 5.12)", errno)
	}
	return nil
}

// failure is an error with what was done.
type failure struct {
	what string
	err  error
}

func (f *failure) Error() string { return f.what + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{what, err}
}

// parent is the directory of a path.
func parent(at string) string {
	for i := len(at) - 1; i > 0; i-- {
		if at[i] == '/' {
			return at[:i]
		}
	}
	return "/"
}

// reason leaves out a path that is nowhere for the reader.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
