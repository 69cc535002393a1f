package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/client"
)

func TestJavaOptions(t *testing.T) {
	tests := []struct{ name, current, noProxy, proxy, want string }{
		{"nothing before", "", "", "http://127.0.0.1:8080",
			`-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=8080 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8080 -Dhttp.nonProxyHosts=localhost|127.*|[::1] ` +
				`-Djdk.http.auth.tunneling.disabledSchemes= "-Djavax.net.ssl.trustStore=/c/trust store.p12" -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit`},
		{"options of the user", `-Xmx1g "-Dx=a b"`, "", "http://127.0.0.1:8080", `-Xmx1g "-Dx=a b" -Dhttp.proxyHost=`},
		{"another trust store", `-Djavax.net.ssl.trustStore=/corp.jks -Xss1m`, "", "http://127.0.0.1:8080", `-Xss1m -Dhttp.proxyHost=`},
		{"the scheme's own port", "", "", "http://attache", "-Dhttp.proxyHost=attache -Dhttp.proxyPort=80 "},
		{"hosts", "", "corp.example,.sub.example,10.0.0.0/8,host", "http://127.0.0.1:8080",
			"-Dhttp.nonProxyHosts=corp.example|*.corp.example|sub.example|*.sub.example|host|localhost|127.*|[::1] "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, openai)
			r.Proxy = parseURL(t, tt.proxy)
			r.Environ = append(r.Environ, "JAVA_TOOL_OPTIONS="+tt.current, "NO_PROXY="+tt.noProxy)
			if got := compute(t, r).Set["JAVA_TOOL_OPTIONS"]; !strings.Contains(got, tt.want) || strings.Contains(got, "corp.jks") {
				t.Errorf("JAVA_TOOL_OPTIONS = %q, want it to hold %q", got, tt.want)
			}
		})
	}
}

// TestJavaReadsTheOptions asks a real JVM what it made of them.
func TestJavaReadsTheOptions(t *testing.T) {
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("no java")
	}
	dir := filepath.Join(t.TempDir(), "with space")
	f, err := client.WriteFiles(dir, newCA(t, "ours"), nil, &client.Roots{})
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, openai)
	r.Files = f
	r.Environ = append(os.Environ(), `JAVA_TOOL_OPTIONS="-Dmine=a b"`)
	cmd := exec.Command(java, "-XshowSettings:properties", "-version")
	cmd.Env = compute(t, r).Apply(r.Environ)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"https.proxyHost = 127.0.0.1", "https.proxyPort = 8080", "http.nonProxyHosts = localhost|127.*|[::1]", "mine = a b", "javax.net.ssl.trustStore = " + f.TrustStore} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the JVM has no property %q:\n%s", want, out)
		}
	}
}

// TestKeytoolReadsTheTrustStore reads it as Java does.
func TestKeytoolReadsTheTrustStore(t *testing.T) {
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Skip("no keytool")
	}
	roots := client.SystemRoots([]string{"SSL_CERT_FILE=" + write(t, "corp.pem", newCA(t, "Corp"))})
	f, err := client.WriteFiles(t.TempDir(), newCA(t, "Attaché Root CA 2026"), nil, roots)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(keytool, "-list", "-v", "-keystore", f.TrustStore, "-storepass", client.TrustStorePassword, "-storetype", "PKCS12").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := strings.Count(string(out), "Entry type: trustedCertEntry"), len(roots.DER)+1; got != want {
		t.Errorf("%d trusted certificates, want %d", got, want)
	}
	if !strings.Contains(string(out), "CN=Attach") || !strings.Contains(string(out), "CN=Corp") {
		t.Errorf("ours or the user's own is not in it")
	}
}
