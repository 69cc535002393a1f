package integration_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// gitServer is git http-backend behind nginx, with TLS and Basic auth on
// everything, and one repository with one commit.
type gitServer struct {
	URL    string // https://host:port of where it listens
	Remote string // path of the repository on the server's disk
}

// gitPath is where the repository is, as GitHub has it: owner, name.
const gitPath = "/o/work.git"

const gitUser, gitPassword = "x-access-token", "ghp-test-0b6c5f7e21d94a38"

func newGitServer(t testing.TB, address string, ca *authority, names ...string) *gitServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "git") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	root := filepath.Join(dir, "repositories")
	g := &gitServer{URL: "https://" + address, Remote: filepath.Join(root, gitPath)}
	g.makeRepository(t)

	socket := filepath.Join(dir, "fcgi.sock")
	startServer(t, dir, program(t, "fcgiwrap"), "-c", "4", "-s", "unix:"+socket)
	waitFor(t, "fcgiwrap", func() bool { _, err := os.Stat(socket); return err == nil })

	cert, key := ca.leafFiles(t, dir, append(names, "127.0.0.1")...)
	hash, err := exec.Command("openssl", "passwd", "-apr1", gitPassword).Output()
	if err != nil {
		t.Fatalf("openssl passwd: %v", err)
	}
	passwords := writeFile(t, filepath.Join(dir, "passwords"), gitUser+":"+string(hash))
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	conf := writeFile(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`
%[1]s
daemon off;
pid %[2]s/nginx.pid;
error_log %[2]s/error.log;
events {}
http {
	access_log %[2]s/access.log;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	client_max_body_size 0;
	server {
		listen %[3]s ssl http2;
		ssl_certificate %[4]s;
		ssl_certificate_key %[5]s;
		auth_basic "git";
		auth_basic_user_file %[6]s;
		location / {
			fastcgi_pass unix:%[7]s;
			fastcgi_request_buffering off;
			fastcgi_buffering off;
			fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
			fastcgi_param GIT_PROJECT_ROOT %[8]s;
			fastcgi_param GIT_HTTP_EXPORT_ALL 1;
			fastcgi_param PATH_INFO $uri;
			fastcgi_param QUERY_STRING $query_string;
			fastcgi_param REQUEST_METHOD $request_method;
			fastcgi_param CONTENT_TYPE $content_type;
			fastcgi_param CONTENT_LENGTH $content_length;
			fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
			fastcgi_param GIT_PROTOCOL $http_git_protocol;
			fastcgi_param REMOTE_USER $remote_user;
		}
	}
}
`, user, dir, address, cert, key, passwords, socket, root))
	startServer(t, dir, program(t, "nginx"), "-c", conf, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	waitFor(t, "nginx", func() bool {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return g
}

// makeRepository makes a bare repository that may be pushed to, with a commit on main.
func (g *gitServer) makeRepository(t testing.TB) {
	t.Helper()
	c := client{Env: gitIdentity}
	work := t.TempDir()
	writeFile(t, filepath.Join(work, "README"), "hello\n")
	for _, args := range [][]string{
		{"init", "-q", "--bare", "-b", "main", g.Remote},
		{"-C", g.Remote, "config", "http.receivepack", "true"},
		{"init", "-q", "-b", "main", work},
		{"-C", work, "add", "README"},
		{"-C", work, "commit", "-q", "-m", "first"},
		{"-C", work, "push", "-q", g.Remote, "main"},
	} {
		c.mustRun(t, "git", args...)
	}
}

var gitIdentity = []string{
	"GIT_AUTHOR_NAME=Test", "GIT_AUTHOR_EMAIL=test@example.com",
	"GIT_COMMITTER_NAME=Test", "GIT_COMMITTER_EMAIL=test@example.com",
}

// startServer starts a program that ends with the test.
func startServer(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, cleanEnv(dir), &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		timer := time.AfterFunc(5*time.Second, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		cmd.Wait()
		timer.Stop()
		if t.Failed() && out.Len() > 0 {
			t.Logf("%s said:\n%s", name, clip(out.String()))
		}
	})
}

// waitFor waits up to 10 s for something that takes moments.
func waitFor(t testing.TB, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ready() {
			return
		}
	}
	t.Fatalf("%s: not within 10 s", what)
}
