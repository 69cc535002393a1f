// Package version is which Attaché this is, beside which Caddy.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// module is ours, as go.mod calls it.
const module = "github.com/attache-proxy/attache"

// tag is the release, such as v1.2.3: release.sh and the Dockerfile set it with
// -ldflags "-X github.com/attache-proxy/attache/caddymodule/version.tag=v1.2.3".
// Without it, it is what Go wrote into the binary.
var tag string

// Info says which program this is. No field is empty but Revision and Time, where
// the program was built outside of a checkout.
type Info struct {
	// Version is the release's tag; v0.0.0-DATE-REVISION, as Go writes it, between
	// releases; or dev.
	Version string `json:"version"`
	// Revision is the commit, and Time when it was made (RFC 3339).
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	// Modified says that the checkout had changes that were not committed.
	Modified bool   `json:"modified,omitempty"`
	Caddy    string `json:"caddy"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// Get reads it once; it does not change.
var Get = sync.OnceValue(func() Info {
	build, _ := debug.ReadBuildInfo()
	info := read(build, tag)
	info.Caddy, _ = caddy.Version()
	info.Go, info.OS, info.Arch = runtime.Version(), runtime.GOOS, runtime.GOARCH
	return info
})

// read takes our part out of what Go wrote into the binary; build may be nil.
func read(build *debug.BuildInfo, tag string) Info {
	if build == nil {
		return Info{Version: cmp.Or(tag, "dev")}
	}
	info := Info{}
	for _, s := range build.Settings {
		if build.Main.Path != module {
			break // the checkout is somebody else's, who links us
		}
		switch s.Key {
		case "vcs.revision":
			info.Revision = s.Value
		case "vcs.time":
			info.Time = s.Value
		case "vcs.modified":
			info.Modified = s.Value == "true"
		}
	}
	found := ""
	for _, m := range append(build.Deps, &build.Main) {
		if m.Path != module {
			continue
		}
		for m.Replace != nil {
			m = m.Replace
		}
		found, _ = strings.CutSuffix(m.Version, "+dirty")
	}
	if found == "(devel)" {
		found = ""
	}
	info.Version = cmp.Or(tag, found, "dev")
	return info
}

// String is one line for people.
func (i Info) String() string {
	s := i.Version
	if i.Revision != "" && !strings.Contains(s, i.Revision[:min(12, len(i.Revision))]) {
		s += " (" + i.Revision[:min(12, len(i.Revision))] + ")"
	}
	if i.Modified {
		s += " with changes of its own"
	}
	return fmt.Sprintf("%s, Caddy %s, %s %s/%s", s, i.Caddy, i.Go, i.OS, i.Arch)
}
