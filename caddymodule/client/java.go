package client

import (
	"net/url"
	"slices"
	"strings"
)

// javaName is the variable from which every JVM takes options. It says so on
// stderr, so no token may stand in it.
const javaName = "JAVA_TOOL_OPTIONS"

// javaOptions are the system properties by which Java's own clients, and those
// that heed them, go through the proxy and trust it. What the user has set
// stands first, but for these properties themselves: replaced names those of
// which the user had another value.
//
// Java has no property for the proxy's user and password: where the agent needs
// a token, the program's own Authenticator must give it. Tunnels with Basic are
// allowed for that (JDK-8160838 turned them off).
func javaOptions(current string, proxy *url.URL, trustStore, bypass string) (options string, replaced []string) {
	host, port := proxy.Hostname(), proxy.Port()
	own := []string{
		"-Dhttp.proxyHost=" + host, "-Dhttp.proxyPort=" + port,
		"-Dhttps.proxyHost=" + host, "-Dhttps.proxyPort=" + port,
		"-Dhttp.nonProxyHosts=" + javaHosts(bypass),
		"-Djdk.http.auth.tunneling.disabledSchemes=",
		"-Djavax.net.ssl.trustStore=" + trustStore,
		"-Djavax.net.ssl.trustStoreType=PKCS12",
		"-Djavax.net.ssl.trustStorePassword=" + TrustStorePassword,
	}
	var kept []string
	for _, option := range splitJava(current) {
		name, _, _ := strings.Cut(option, "=")
		switch {
		case !hasProperty(own, name):
			kept = append(kept, quoteJava(option))
		case !slices.Contains(own, option):
			replaced = append(replaced, name)
		}
	}
	for _, option := range own {
		kept = append(kept, quoteJava(option))
	}
	return strings.Join(kept, " "), replaced
}

func hasProperty(options []string, name string) bool {
	return slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, name+"=") })
}

// javaHosts turns NO_PROXY into http.nonProxyHosts: separated by |, a * at
// either end, and no subdomains of themselves.
func javaHosts(bypass string) string {
	var out []string
	for e := range strings.SplitSeq(bypass, ",") {
		switch {
		case e == "" || strings.Contains(e, "/"): // Java knows no prefixes of addresses
		case e == "::1":
			out = append(out, "[::1]")
		case e == "127.0.0.1":
			out = append(out, "127.*")
		case strings.HasPrefix(e, "."):
			out = append(out, e[1:], "*"+e)
		case e == "localhost" || strings.ContainsAny(e, "*:") || !strings.Contains(e, ".") || isAddress(e):
			out = append(out, e)
		default:
			out = append(out, e, "*."+e)
		}
	}
	return strings.Join(out, "|")
}

// splitJava splits options as the JVM does: at spaces, but not inside quotes.
func splitJava(s string) (options []string) {
	var b strings.Builder
	var quote rune
	inside := false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inside = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if inside {
				options = append(options, b.String())
				b.Reset()
			}
			inside = false
		default:
			b.WriteRune(r)
			inside = true
		}
	}
	if inside {
		options = append(options, b.String())
	}
	return options
}

// quoteJava quotes an option for splitJava. The JVM has no escapes.
func quoteJava(option string) string {
	switch {
	case !strings.ContainsAny(option, " \t\n\"'"):
		return option
	case !strings.Contains(option, `"`):
		return `"` + option + `"`
	}
	return "'" + option + "'"
}
