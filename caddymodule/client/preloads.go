package client

import "strings"

// nodeOptions is the variable in which every Node takes options.
const nodeOptions = "NODE_OPTIONS"

// geminiName is where the Gemini CLI (0.61) looks for the operator's defaults.
const geminiName = "GEMINI_CLI_SYSTEM_DEFAULTS_PATH"

// geminiDefaults select the sign-in by key: with GOOGLE_GEMINI_BASE_URL the Gemini CLI
// takes another, and ends before its first request.
const geminiDefaults = `{"security": {"auth": {"selectedType": "gemini-api-key"}}}` + "\n"

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
