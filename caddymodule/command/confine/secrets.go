package confine

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// hiddenInHome are files and directories of a home in which credentials lie. The home
// is not there at all, so that they matter where more of it is given (--rw, --ro);
// one that is given by its own name stays.
var hiddenInHome = []string{
	".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/containers/auth.json", ".config/gcloud", ".boto", ".s3cfg", ".oci", ".aliyun", ".bluemix",
	".config/gh", ".config/hub", ".config/glab-cli", ".config/op", ".config/doctl", ".config/hcloud", ".config/rclone", ".config/sops", ".config/age", ".config/heroku", ".config/flyctl", ".fly", ".config/netlify", ".config/stripe", ".config/configstore", ".config/helm", ".config/linode-cli", ".config/scw", ".config/fastly", ".wrangler", ".config/.wrangler", ".railway", ".vercel", ".local/share/com.vercel.cli",
	".netrc", "_netrc", ".authinfo", ".authinfo.gpg", ".git-credentials", ".config/git/credentials", ".gitcookies", ".hgrc", ".subversion/auth",
	".npmrc", ".yarnrc.yml", ".pypirc", ".config/pip", ".pip", ".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials", ".bundle/config", ".composer/auth.json", ".config/composer/auth.json", ".nuget", ".m2/settings.xml", ".m2/settings-security.xml", ".gradle/gradle.properties", ".sbt/.credentials", ".ivy2/.credentials", ".config/hex", ".hex", ".docker.json",
	".terraform.d", ".terraformrc", ".vault-token", ".pulumi/credentials.json", ".ansible", ".chef", ".snowflake", ".snowsql", ".databrickscfg", ".dbt", ".kaggle", ".huggingface", ".cache/huggingface/token", ".cache/huggingface/stored_tokens", ".config/wandb", ".openai", ".config/openai",
	".pgpass", ".my.cnf", ".mylogin.cnf", ".mongorc.js", ".mongodb", ".rediscli_auth", ".psql_history", ".mysql_history", ".rediscli_history",
	".password-store", ".local/share/keyrings", ".local/share/kwalletd", ".config/keepassxc", ".config/Bitwarden", ".config/Bitwarden CLI", ".config/1Password", ".lastpass",
	".mozilla", ".thunderbird", ".config/google-chrome", ".config/chromium", ".config/BraveSoftware", ".config/microsoft-edge", ".config/vivaldi", ".config/Slack", ".config/discord", ".config/Signal",
	".bash_history", ".zsh_history", ".histfile", ".python_history", ".node_repl_history", ".local/share/fish/fish_history", ".lesshst", ".viminfo",
	".claude/.credentials.json", ".codex/auth.json", ".gemini/oauth_creds.json", ".gemini/google_accounts.json", ".local/share/opencode/auth.json", ".config/github-copilot", ".local/share/goose", ".continue/config.json",
	".Xauthority", ".ICEauthority", ".dbus",
	".local/share/attache", ".config/attache", ".local/share/caddy", ".config/caddy",
}

// hiddenOnSystem are those of the system. Most are root's; a run of root's would read
// them otherwise.
var hiddenOnSystem = []string{
	"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/sudoers.d", "/etc/security/opasswd",
	"/etc/ssl/private", "/etc/pki/tls/private", "/etc/pki/private", "/etc/letsencrypt", "/etc/acme",
	"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_dsa_key",
	"/etc/attache", "/etc/caddy", "/etc/docker", "/etc/containers/auth.json", "/etc/kubernetes", "/etc/rancher", "/etc/krb5.keytab", "/etc/NetworkManager/system-connections",
	"/etc/wireguard", "/etc/openvpn", "/etc/ipsec.secrets", "/etc/ppp", "/etc/wpa_supplicant", "/etc/mysql/debian.cnf", "/etc/msmtprc", "/etc/fstab.cifs", "/etc/vault.d", "/etc/consul.d", "/etc/nomad.d", "/etc/boto.cfg",
	"/var/lib/attache", "/var/lib/caddy", "/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/rancher", "/var/lib/sss", "/var/run/docker.sock",
}

// toolchains are directories of a home in which programs are installed, and no
// credentials: the command may read them.
var toolchains = []string{
	".nvm", ".fnm", ".local/share/fnm", ".volta", ".n", ".npm-global", ".local/share/pnpm", ".bun/bin", ".bun/install/global", ".deno/bin",
	".pyenv", ".local/bin", ".local/lib", ".local/pipx", ".local/share/pipx", ".local/share/uv", ".rye",
	".rustup", ".cargo/bin", ".rbenv", ".rvm", ".asdf", ".local/share/mise", ".sdkman", ".jenv", ".ghcup/bin", ".cabal/bin", ".opam", ".juliaup", ".julia/juliaup",
	"go/bin", ".go", "sdk", ".opencode/bin", ".claude/local", ".local/share/claude", ".config/nvm", ".linuxbrew", ".nix-profile",
}

// secretNames are variables that hold credentials, or lead to programs that give some
// away, by their names: ends, after an underscore or alone.
var secretNames = []string{
	"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "APIKEY", "API_KEY", "ACCESS_KEY", "ACCESS_KEY_ID", "PRIVATE_KEY", "SECRET_KEY", "SIGNING_KEY", "ENCRYPTION_KEY", "MASTER_KEY", "LICENSE_KEY", "AUTH_KEY", "AUTHKEY", "CREDENTIAL", "CREDENTIALS", "CREDS", "PAT", "AUTH", "COOKIE", "DSN", "CONNECTION_STRING", "WEBHOOK_URL", "SECRET_ID", "SECRET_ACCESS_KEY", "CLIENT_SECRET", "KEYFILE",
	"DATABASE_URL", "DB_URL", "REDIS_URL", "MONGO_URL", "MONGODB_URI", "AMQP_URL", "POSTGRES_URL", "MYSQL_URL", "SENTRY_DSN", "AUTH_TOKEN", "SESSION",
}

// secretWords are such where they stand anywhere in a name.
var secretWords = []string{"_TOKEN_", "_SECRET_", "_PASSWORD_", "_API_KEY_", "_ACCESS_KEY_", "_PRIVATE_KEY_", "_CREDENTIALS_"}

// channels are variables that name a socket or a place of others.
var channels = []string{
	"SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ASKPASS", "GIT_ASKPASS", "SUDO_ASKPASS", "GPG_AGENT_INFO", "GNUPGHOME", "DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "ICEAUTHORITY", "SESSION_MANAGER",
	"DOCKER_HOST", "DOCKER_CONFIG", "CONTAINER_HOST", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "TMUX", "STY", "VSCODE_IPC_HOOK_CLI", "VSCODE_GIT_IPC_HANDLE", "VSCODE_GIT_ASKPASS_MAIN", "VSCODE_GIT_ASKPASS_NODE",
	"AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "AZURE_CONFIG_DIR", "NETRC", "PGPASSFILE", "VAULT_ADDR", "BW_SESSION", "ATTACHE_ADMIN", "ATTACHE_ADMIN_TOKEN", "ATTACHE_TOKEN",
}

// signedIn is a URL with a password in it.
var signedIn = regexp.MustCompile(`://[^/@\s]*:[^/@\s]+@`)

// withoutSecrets leaves such variables out of an environment; kept are names that stay.
// It returns the names of those that it left out.
func withoutSecrets(environ []string, kept func(name string) bool) (out, left []string) {
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if (isSecret(name) || signedIn.MatchString(value)) && !kept(name) {
			left = append(left, name)
			continue
		}
		out = append(out, line)
	}
	return out, left
}

func isSecret(name string) bool {
	upper := strings.ToUpper(name)
	if upper == "PWD" || upper == "OLDPWD" {
		return false
	}
	if slices.Contains(channels, upper) {
		return true
	}
	for _, end := range secretNames {
		if upper == end || strings.HasSuffix(upper, "_"+end) {
			return true
		}
	}
	return slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(upper, w) })
}

// hiddenFiles are what is to be hidden, by full names.
func hiddenFiles(home string) (all []string) {
	if home != "" {
		for _, name := range hiddenInHome {
			all = append(all, path.Join(home, name))
		}
	}
	return append(all, hiddenOnSystem...)
}
