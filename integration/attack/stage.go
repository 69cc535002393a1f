package main

import (
	"bytes"
	"crypto/x509"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed stage
var scenery embed.FS

// stage is a running proxy with everything that an attack needs: services,
// agents, two organisations, secrets that must not get out.
type stage struct {
	*services
	Dir                       string
	Listen, Open, Admin       string // host:port of the listeners
	Port, OpenPort, AdminPort int
	Placed                    []placed
	Twins                     []string // connectors with secrets of the same length
	Tenants                   []tenant
	Keys                      []string // connectors that reader and writer may use

	bin    string
	cmd    *exec.Cmd
	ended  chan struct{}
	log    logFile
	roots  *x509.CertPool
	vars   map[string]string // what texts of the catalogue may name
	twins  map[string]string // their secrets
	env    []string
	before int // resident memory when all was set up, in bytes
}

// tenant is a built-in connector whose host is its customer's own.
type tenant struct {
	Key, Option string
	Fields      []string
}

var tenants = []tenant{
	{"odoo", "api_key", []string{"host mycorp.odoo.com", "api_key {env.CANARY_TENANT}"}},
	{"zendesk", "api_token", []string{"subdomain mycorp", "email a@mycorp.test", "api_token {env.CANARY_TENANT}"}},
	{"shopify", "api_key", []string{"shop mycorp", "api_key {env.CANARY_TENANT}"}},
	{"jira", "api_token", []string{"subdomain mycorp", "email a@mycorp.test", "api_token {env.CANARY_TENANT}"}},
	{"okta", "api_key", []string{"domain mycorp.okta.com", "api_key {env.CANARY_TENANT}"}},
	{"freshdesk", "api_key", []string{"subdomain mycorp", "api_key {env.CANARY_TENANT}"}},
	{"supabase", "api_key", []string{"project_ref abcdefghijklmnopqrst", "api_key {env.CANARY_TENANT}"}},
	{"bamboohr", "api_key", []string{"subdomain mycorp", "api_key {env.CANARY_TENANT}"}},
}

// build starts the services and the proxy, and sets both organisations up.
func build(bin string) (s *stage, err error) {
	dir, err := os.MkdirTemp("", "attack")
	if err != nil {
		return nil, err
	}
	s = &stage{Dir: dir, bin: bin, Placed: places, Tenants: tenants, vars: map[string]string{}, twins: twinSecrets()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.services, err = startServices(); err != nil {
		return nil, err
	}
	for _, p := range []struct {
		port *int
		addr *string
	}{{&s.Port, &s.Listen}, {&s.OpenPort, &s.Open}, {&s.AdminPort, &s.Admin}} {
		if *p.port, err = freePort(); err != nil {
			return nil, err
		}
		*p.addr = fmt.Sprintf("127.0.0.1:%d", *p.port)
	}
	for _, p := range places {
		s.Keys = append(s.Keys, p.Key)
	}
	for _, t := range tenants {
		s.Keys = append(s.Keys, t.Key)
	}
	s.Keys = append(s.Keys, "wire", "part", "minted", "broken", "actions", "digest-of", "objects", "local-objects")
	for name := range s.twins {
		s.Twins = append(s.Twins, name)
		s.Keys = append(s.Keys, name, name+"-old")
	}
	for _, c := range append(secrets, marks...) {
		for i, host := range c.hosts {
			c.hosts[i] = strings.ReplaceAll(host, "{modern}", strings.TrimPrefix(s.Modern, "https://127.0.0.1:"))
		}
	}
	if err := s.write(); err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, s.furnish()
}

// write makes the configuration of scenery's templates.
func (s *stage) write() error {
	if err := os.MkdirAll(filepath.Join(s.Dir, "connectors"), 0o755); err != nil {
		return err
	}
	files, err := scenery.ReadDir("stage/connectors")
	if err != nil {
		return err
	}
	for _, f := range files {
		b, _ := scenery.ReadFile("stage/connectors/" + f.Name())
		text := strings.NewReplacer("{{.Modern}}", s.Modern, "{{.ModernHost}}", strings.TrimPrefix(s.Modern, "https://")).Replace(string(b))
		if err := os.WriteFile(filepath.Join(s.Dir, "connectors", f.Name()), []byte(text), 0o644); err != nil {
			return err
		}
	}
	t, err := template.ParseFS(scenery, "stage/Caddyfile")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, s); err != nil {
		return err
	}
	return os.WriteFile(s.config(), b.Bytes(), 0o644)
}

func (s *stage) config() string { return filepath.Join(s.Dir, "Caddyfile") }

// start runs the proxy and waits until it listens.
func (s *stage) start() error {
	if err := os.WriteFile(filepath.Join(s.Dir, "trust.pem"), s.pem, 0o644); err != nil {
		return err
	}
	s.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "XDG_DATA_HOME=" + s.Dir, "XDG_CONFIG_HOME=" + s.Dir, "XDG_CACHE_HOME=" + s.Dir,
		"SSL_CERT_FILE=" + s.Dir + "/trust.pem", "CANARY_WEAK=" + weak,
		"CANARY_KEYID=" + secret("key id of objects"), "CANARY_HMACID=" + secret("key id of digest-of")}
	config, err := os.ReadFile(s.config())
	if err != nil {
		return err
	}
	for _, c := range secrets {
		if name := "CANARY_" + strings.ToUpper(c.name); bytes.Contains(config, []byte("{env."+name+"}")) {
			s.env = append(s.env, name+"="+c.value)
		}
	}
	for name, value := range s.twins {
		s.env = append(s.env, "TWIN_"+name+"="+value)
	}
	for name, token := range agentTokens {
		s.env = append(s.env, "TOKEN_"+strings.ToUpper(name)+"="+token)
	}
	s.cmd = exec.Command(s.bin, "run", "--config", s.config())
	s.cmd.Dir, s.cmd.Env = s.Dir, s.env
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func() { s.cmd.Wait(); close(s.ended) }()
	for range 600 {
		select {
		case <-s.ended:
			return fmt.Errorf("the proxy ended at its start:\n%s", last(s.log.String(), 3000))
		case <-time.After(50 * time.Millisecond):
		}
		conn, err := net.Dial("tcp", s.Listen)
		if err != nil {
			continue
		}
		conn.Close()
		ca, err := os.ReadFile(filepath.Join(s.Dir, "storage/pki/authorities/attache/root.crt"))
		if err != nil {
			continue
		}
		s.roots = x509.NewCertPool()
		s.roots.AppendCertsFromPEM(ca)
		return nil
	}
	return fmt.Errorf("the proxy does not listen after 30 s:\n%s", last(s.log.String(), 3000))
}

// command runs another command of the binary.
func (s *stage) command(env []string, args ...string) (output string, exit int) {
	cmd := exec.Command(s.bin, args...)
	cmd.Dir, cmd.Env = s.Dir, append(append([]string{}, s.env...), env...)
	time.AfterFunc(20*time.Second, func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
		}
	})
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		return err.Error(), -1
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// api calls the REST API as somebody and wants a status.
func (s *stage) api(as, method, path, body string, want int) (map[string]any, error) {
	r, _ := http.NewRequest(method, "http://"+s.Admin+"/api/v1"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.vars[as+".token"])
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	var out map[string]any
	json.Unmarshal(b, &out)
	if res.StatusCode != want {
		return nil, fmt.Errorf("%s %s = %d %s, want %d", method, path, res.StatusCode, b, want)
	}
	return out, nil
}

// alive reports whether the proxy runs.
func (s *stage) alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

func (s *stage) stop() {
	if s.cmd == nil || !s.alive() {
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(15 * time.Second):
		s.cmd.Process.Kill()
		<-s.ended
	}
}

func (s *stage) close() {
	s.stop()
	if s.services != nil {
		s.services.close()
	}
	os.RemoveAll(s.Dir)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }
