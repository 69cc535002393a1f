package integration_test

import (
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// digestServer is Apache with HTTP Digest before a service that says what it got.
type digestServer struct {
	URL string
	log string // file: a line "STATUS METHOD" for each request
}

const digestPassword = "digest-password-6c9a"

// newDigestServer starts one whose nonces live that long.
func newDigestServer(t testing.TB, life time.Duration) *digestServer {
	t.Helper()
	integration(t)
	behind := newPlainService(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d bytes %x", r.Method, r.RequestURI, len(b), md5.Sum(b))
	}))
	dir, err := os.MkdirTemp("", "apache")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // Apache's workers are another user
		t.Fatal(err)
	}
	d := &digestServer{log: filepath.Join(dir, "access")}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	d.URL = "http://" + addr
	writeFile(t, filepath.Join(dir, "users"), fmt.Sprintf("robot:a realm:%x\n", md5.Sum([]byte("robot:a realm:"+digestPassword))))
	os.Chmod(filepath.Join(dir, "users"), 0o644)
	modules := ""
	for _, m := range []string{"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_digest", "proxy", "proxy_http"} {
		modules += fmt.Sprintf("LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", m)
	}
	config := writeFile(t, filepath.Join(dir, "apache.conf"), modules+fmt.Sprintf(`ServerName localhost
ServerRoot %[1]s
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
Listen %[2]s
ErrorLog %[1]s/error
LogFormat "%%>s %%m" short
CustomLog %[1]s/access short
ProxyPass / %[3]s/
<Location "/">
	AuthType Digest
	AuthName "a realm"
	AuthDigestProvider file
	AuthUserFile %[1]s/users
	AuthDigestNonceLifetime %[4]d
	Require valid-user
</Location>
`, dir, addr, behind.URL, int(life.Seconds())))
	startServer(t, dir, program(t, "apache2"), "-X", "-f", config)
	waitFor(t, "Apache", func() bool { return dials(addr) })
	return d
}

// challenges counts the requests that Apache answered with 401.
func (d *digestServer) challenges(t testing.TB) int { return strings.Count(readFile(t, d.log), "401 ") }

// The account's password opens Apache's Digest, with one challenge for many
// requests, and another when its nonce is stale; bodies come whole.
func TestDigest(t *testing.T) {
	d := newDigestServer(t, 2*time.Second)
	a := newAttache(t, setup{
		Attache: fmt.Sprintf("connector http-digest {\n\tupstream %s\n\tuse {\n\t\thost cameras.example\n\t\tusername robot\n\t\tpassword {env.PASSWORD}\n\t}\n}\n", d.URL) + agentLocal("http-digest"),
		Env:     []string{"PASSWORD=" + digestPassword},
	})
	direct := client{}.mustRun(t, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--digest", "-u", "robot:"+digestPassword, d.URL+"/x")
	if direct.Stdout != "200" {
		t.Fatalf("Apache itself does not work: %v", direct)
	}
	before := d.challenges(t)
	get := func(want string, args ...string) {
		t.Helper()
		for _, base := range []string{"https://cameras.example", a.URL + "/http-digest"} {
			r := client{}.run(t, "curl", append([]string{"-sS", "-x", a.URL, "--noproxy", "127.0.0.1", "--cacert", a.CA, base + args[0]}, args[1:]...)...)
			if r.Stdout != want {
				t.Errorf("%s printed %q, want %q: %v", base, r.Stdout, want, r)
			}
		}
	}
	body := strings.Repeat("payload ", 1000)
	empty := fmt.Sprintf("0 bytes %x", md5.Sum(nil))
	get("GET /a%20b?x=1&y= "+empty, "/a%20b?x=1&y=")
	get(fmt.Sprintf("POST /post 8000 bytes %x", md5.Sum([]byte(body))), "/post", "-d", body)
	get("GET /again "+empty, "/again", "-u", "somebody:else") // the agent's own goes away
	if n := d.challenges(t) - before; n > 2 {
		t.Errorf("Apache asked %d times for six requests, want one or two: the nonce is not used again", n)
	}
	time.Sleep(3 * time.Second) // the nonce is stale now
	before = d.challenges(t)
	get(fmt.Sprintf("PUT /stale 8000 bytes %x", md5.Sum([]byte(body))), "/stale", "-X", "PUT", "-d", body)
	if n := d.challenges(t) - before; n != 1 {
		t.Errorf("Apache asked %d times after its nonce was stale, want once: the test does not test, or the new nonce is not kept", n)
	}
}
