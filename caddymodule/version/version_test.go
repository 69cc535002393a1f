package version

import (
	"runtime/debug"
	"testing"
)

func TestRead(t *testing.T) {
	settings := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: "2026-11-29T10:00:00Z"}, {Key: "vcs.modified", Value: "true"}}
	for name, c := range map[string]struct {
		build *debug.BuildInfo
		tag   string
		want  Info
	}{
		"no build info":            {nil, "", Info{Version: "dev"}},
		"no build info, a release": {nil, "v1.2.3", Info{Version: "v1.2.3"}},
		"a checkout": {&debug.BuildInfo{Main: debug.Module{Path: module, Version: "(devel)"}, Settings: settings}, "",
			Info{Version: "dev", Revision: "0123456789abcdef0123", Time: "2026-11-29T10:00:00Z", Modified: true}},
		"a checkout that Go named": {&debug.BuildInfo{Main: debug.Module{Path: module, Version: "v0.0.0-20261129100000-0123456789ab+dirty"}}, "",
			Info{Version: "v0.0.0-20261129100000-0123456789ab"}},
		"a release": {&debug.BuildInfo{Main: debug.Module{Path: module, Version: "(devel)"}, Settings: settings[:1]}, "v1.2.3",
			Info{Version: "v1.2.3", Revision: "0123456789abcdef0123"}},
		"in somebody's Caddy": {&debug.BuildInfo{Main: debug.Module{Path: "caddy", Version: "(devel)"}, Settings: settings, Deps: []*debug.Module{{Path: module, Version: "v1.1.0"}}}, "",
			Info{Version: "v1.1.0"}},
		"in xcaddy's Caddy, from a checkout": {&debug.BuildInfo{Main: debug.Module{Path: "caddy"}, Deps: []*debug.Module{{Path: module, Version: "v0.0.0", Replace: &debug.Module{Path: "/src", Version: "(devel)"}}}}, "",
			Info{Version: "dev"}},
	} {
		if got := read(c.build, c.tag); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestInfoSaysEverything(t *testing.T) {
	i := Get()
	if i.Version == "" || i.Caddy == "" || i.Go == "" || i.OS == "" || i.Arch == "" {
		t.Errorf("%+v", i)
	}
}
