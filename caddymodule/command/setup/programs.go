package setup

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Program is an agent program whose settings can send it through the proxy.
type Program struct {
	Name, Title string
	// file is its settings, below the home directory.
	file string
	// members are edits of settings in JSON: where, and what.
	members func(env map[string]string) map[string]string
	// blocks are what is added to settings of another form: before all and after all.
	blocks func(env map[string]string) (top, end string)
	// clash are beginnings of lines beside which a block cannot stand.
	clash []string
}

// Programs is all of them. To add one: write its line here.
var Programs = []Program{
	{Name: "claude", Title: "Claude Code", file: ".claude/settings.json", members: below("env", network, "ANTHROPIC_")},
	{Name: "codex", Title: "Codex", file: ".codex/config.toml", blocks: codex, clash: []string{"model_provider ", "model_provider=", "[shell_environment_policy", "shell_environment_policy"}},
	{Name: "gemini", Title: "Gemini CLI", file: ".gemini/.env", blocks: dotenv},
	{Name: "opencode", Title: "opencode", file: ".config/opencode/opencode.json", members: opencode},
}

// Names are those of all programs.
func Names() (names []string) {
	for _, p := range Programs {
		names = append(names, p.Name)
	}
	return names
}

// Find is the program of a name.
func Find(name string) (Program, error) {
	i := slices.IndexFunc(Programs, func(p Program) bool { return p.Name == strings.ToLower(strings.TrimSpace(name)) })
	if i < 0 {
		return Program{}, fmt.Errorf("there is no setup for %q; there is one for %s (others: attache exec -- COMMAND)", name, strings.Join(Names(), ", "))
	}
	return Programs[i], nil
}

// File is where a program's settings are.
func (p Program) File(home string) string { return filepath.Join(home, filepath.FromSlash(p.file)) }

// network are the variables with which any client finds the proxy and trusts it.
var network = []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"}

// below puts variables into an object: those of a list, and those with a beginning.
func below(name string, list []string, beginning string) func(env map[string]string) map[string]string {
	return func(env map[string]string) map[string]string {
		out := map[string]string{}
		for k, v := range env {
			if slices.Contains(list, k) || strings.HasPrefix(k, beginning) {
				out[name+"\x00"+k] = v
			}
		}
		return out
	}
}

// opencode names a base URL for each provider of models that the agent may use.
func opencode(env map[string]string) map[string]string {
	out := map[string]string{}
	for provider, name := range map[string]string{"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"} {
		base := env[name]
		if base == "" {
			continue
		}
		if provider == "anthropic" && !strings.HasSuffix(base, "/v1") { // its SDK wants the version, Anthropic's own does not
			base += "/v1"
		}
		out["provider\x00"+provider+"\x00options\x00baseURL"] = base
		out["provider\x00"+provider+"\x00options\x00apiKey"] = "attache"
	}
	return out
}

// dotenv is NAME="value" for each variable.
func dotenv(env map[string]string) (top, end string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if slices.Contains(network, name) || strings.HasPrefix(name, "GEMINI_") || strings.HasPrefix(name, "GOOGLE_") {
			end += fmt.Sprintf("%s=%q\n", name, env[name])
		}
	}
	return "", end
}

// codex sets the variables of the commands that it runs, and, where the agent may use
// OpenAI, where its models are.
func codex(env map[string]string) (top, end string) {
	if base := env["OPENAI_BASE_URL"]; base != "" {
		top = "model_provider = \"attache\"\n"
		end = fmt.Sprintf("[model_providers.attache]\nname = \"OpenAI through Attaché\"\nbase_url = %q\nwire_api = \"responses\"\n\n", base)
	}
	end += "[shell_environment_policy.set]\n"
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if slices.Contains(network, name) {
			end += fmt.Sprintf("%s = %q\n", name, env[name])
		}
	}
	return top, end
}
