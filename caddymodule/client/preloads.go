package client

import (
	"path/filepath"
	"slices"
	"strings"
)

// nodeOptions is the variable in which every Node takes options.
const nodeOptions = "NODE_OPTIONS"

// setPreloads lets runtimes read a file of ours first whose clients know no variable.
func (e *Environment) setPreloads(r Request) {
	if !r.NoNodePreload && r.Files.Node != "" {
		e.Set[nodeOptions] = withPreload(e.current[nodeOptions], r.Files.Node)
	}
	if own := e.current["R_PROFILE_USER"]; own == "" || filepath.Base(own) == filepath.Base(r.Files.R) {
		e.Set["R_PROFILE_USER"] = r.Files.R
	} else {
		e.note("kept", "R_PROFILE_USER", "httr trusts the proxy once it has: httr::set_config(httr::config(cainfo = Sys.getenv(\"CURL_CA_BUNDLE\")))")
	}
	if slices.ContainsFunc(r.About.Connectors, func(c Connector) bool { return slices.Contains(c.Hosts, "registry.npmjs.org") }) {
		e.Nameless[registryToken] = placeholder
	}
}

// geminiName is where the Gemini CLI (0.61) looks for the operator's defaults.
const geminiName = "GEMINI_CLI_SYSTEM_DEFAULTS_PATH"

// geminiDefaults select the sign-in by key: with GOOGLE_GEMINI_BASE_URL the Gemini CLI
// takes another, and ends before its first request.
const geminiDefaults = `{"security": {"auth": {"selectedType": "gemini-api-key"}}}` + "\n"

// setGemini is for after the connectors' own variables.
func (e *Environment) setGemini(r Request) {
	if e.Set["GOOGLE_GEMINI_BASE_URL"] == "" {
		return
	}
	if own := e.current[geminiName]; own != "" && filepath.Base(own) != filepath.Base(r.Files.Gemini) {
		e.note("kept", geminiName, "the Gemini CLI starts once it selects gemini-api-key (security.auth.selectedType)")
		return
	}
	e.Set[geminiName] = r.Files.Gemini
}

// withPreload is NODE_OPTIONS with ours before what stands there: quotes hold a path
// together, and a backslash within them takes what follows as it is.
func withPreload(current, file string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(file)
	own := `--require="` + quoted + `"`
	if strings.Contains(current, own) {
		return current
	}
	return strings.TrimSpace(own + " " + current)
}
