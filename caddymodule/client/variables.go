package client

// role says what a variable of trust gets.
type role int

const (
	replaces role = iota // our root and every other
	adds                 // our root: the client adds it to its own
	corrects             // our root and every other, where somebody has set it: nobody needs it else
)

// trustVariables name the file with a client's roots. Most replace the client's
// own store, so their file has the system's roots, too. To support another
// client: its line here, and one in docs/clients.md.
var trustVariables = []struct {
	name string
	role role
}{
	{"SSL_CERT_FILE", replaces},                      // OpenSSL and what is built on it (Python ssl, httpx, Ruby, .NET), Go, uv, rustls
	{"CURL_CA_BUNDLE", replaces},                     // curl; Python requests
	{"GIT_SSL_CAINFO", replaces},                     // git
	{"REQUESTS_CA_BUNDLE", replaces},                 // Python requests
	{"PIP_CERT", replaces},                           // pip
	{"AWS_CA_BUNDLE", corrects},                      // AWS CLI and SDKs: those in Go with a transport of their own do not start with it (aws-sdk-go v1)
	{"CARGO_HTTP_CAINFO", replaces},                  // cargo
	{"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", replaces}, // gcloud
	{"HTTPLIB2_CA_CERTS", replaces},                  // Python httplib2: gsutil, older Google libraries
	{"WEBSOCKET_CLIENT_CA_BUNDLE", replaces},         // Python websocket-client
	{"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", replaces},   // gRPC in C, Python, Ruby, PHP, Node
	{"npm_config_cafile", replaces},                  // npm, pnpm, yarn 1
	{"BUNDLE_SSL_CA_CERT", replaces},                 // Ruby's bundler
	{"PERL_LWP_SSL_CA_FILE", replaces},               // Perl LWP
	{"HEX_CACERTS_PATH", replaces},                   // Elixir's hex
	{"NIX_SSL_CERT_FILE", replaces},                  // nix and programs from nixpkgs
	{"NODE_EXTRA_CA_CERTS", adds},                    // Node, bun, npm, yarn, Electron
	{"DENO_CERT", adds},                              // Deno
}

// proxyVariables get the proxy's URL. Both cases are needed: curl reads
// http_proxy in lower case only, others in upper case only.
var proxyVariables = []string{
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
	"WS_PROXY", "ws_proxy", "WSS_PROXY", "wss_proxy", // aiohttp, curl
	"YARN_HTTP_PROXY", "YARN_HTTPS_PROXY", // yarn 2 and later read no others
}

// overridden are proxy variables that lead past us where somebody set them;
// where nobody did, nobody needs them.
var overridden = []string{
	"ALL_PROXY", "all_proxy", "GRPC_PROXY", "grpc_proxy",
	"npm_config_proxy", "npm_config_https_proxy", "npm_config_http_proxy",
	"PIP_PROXY", "CARGO_HTTP_PROXY", "GLOBAL_AGENT_HTTP_PROXY", "GLOBAL_AGENT_HTTPS_PROXY",
}

// switches turn on what a client leaves off.
var switches = map[string]string{
	"NODE_USE_ENV_PROXY":        "1",     // Node 22.21 and 24.5: fetch and http read the proxy variables
	"PERL_LWP_ENV_PROXY":        "1",     // Perl's LWP::UserAgent
	"MOJO_PROXY":                "1",     // Perl's Mojo::UserAgent
	"GIT_HTTP_PROXY_AUTHMETHOD": "basic", // git: without the challenge that each connection would begin with
}

// bypassVariables are NO_PROXY's like: they are set where somebody has set them.
var bypassVariables = []string{"npm_config_noproxy", "npm_config_no_proxy", "no_grpc_proxy", "NO_GRPC_PROXY", "GLOBAL_AGENT_NO_PROXY"}

// registryToken is what npm wants before it sends whoami or publish to the public
// registry. No shell can set it: its name is none there.
const registryToken = "npm_config_//registry.npmjs.org/:_authToken"
