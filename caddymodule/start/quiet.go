package start

import (
	"encoding/json"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// quietAdapter is the name of an adapter that adapts as another does and sends the
// log to a file. It is there while a terminal shows the first lines; a reload reads
// the configuration through it again.
const quietAdapter = "attache_terminal"

// logFile has the log where a terminal does not.
func logFile() string { return filepath.Join(caddy.AppDataDir(), "attache", "attache.log") }

// quietly registers the adapter over another; "" is JSON.
func quietly(inner string) string {
	caddyconfig.RegisterAdapter(quietAdapter, quiet{inner})
	return quietAdapter
}

type quiet struct{ inner string }

// Adapt implements caddyconfig.Adapter.
func (q quiet) Adapt(text []byte, options map[string]any) ([]byte, []caddyconfig.Warning, error) {
	var warnings []caddyconfig.Warning
	if q.inner != "" {
		var err error
		if text, warnings, err = caddyconfig.GetAdapter(q.inner).Adapt(text, options); err != nil {
			return nil, warnings, err
		}
	}
	text, err := withLog(text, logFile())
	return text, warnings, err
}

// withLog is a configuration whose default log goes to a file, where it does not
// say itself where that goes.
func withLog(conf []byte, file string) ([]byte, error) {
	var all map[string]any
	if err := json.Unmarshal(conf, &all); err != nil {
		return nil, err
	}
	log := within(within(within(all, "logging"), "logs"), "default")
	if log["writer"] == nil {
		log["writer"] = map[string]any{"output": "file", "filename": file}
	}
	return json.Marshal(all)
}

// within is the object of a name in another, made where it is missing.
func within(object map[string]any, name string) map[string]any {
	in, ok := object[name].(map[string]any)
	if !ok {
		in = map[string]any{}
		object[name] = in
	}
	return in
}
