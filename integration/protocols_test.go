package integration_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// ruled is a proxy whose agent has rules at services of several protocols.
type ruled struct {
	*attache
	s3 string // the server, host:port
}

func newRuled(t *testing.T) *ruled {
	integration(t)
	dir, ca := t.TempDir(), newAuthority(t, "services")
	r := &ruled{s3: startS3(t)}
	graph := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	script := nodeScript(t, "graphql.mjs")
	startServer(t, filepath.Dir(script), program(t, "node"), script, graph[strings.LastIndexByte(graph, ':')+1:], demoToken)
	demo := newPlainService(t, demoService())
	var connectors, grants strings.Builder
	grant := func(key string, rules ...string) {
		fmt.Fprintf(&grants, "grant %s {\n%s\n}\n", key, strings.Join(rules, "\n"))
	}
	service := func(key, upstream, more string, rules ...string) {
		writeFile(t, filepath.Join(dir, key+".yaml"), "key: "+key+"\nhosts: ["+key+".test]\nauth: {key: {type: credentials, fields: {key: {title: Key, secret: true}}, sign: bearer}}\n"+more+"\n")
		fmt.Fprintf(&connectors, "connector %s {\nupstream %s\nuse key {\nkey {env.DEMO_TOKEN}\n}\n}\n", key, upstream)
		grant(key, rules...)
	}
	const speaks = "speaks: {graphql: [/graphql]}"
	service("graph", "http://"+graph, speaks, "deny effect:delete", "allow read", "allow mutation addNote")
	service("every", "http://"+graph, speaks, "allow *")
	service("grpc", newGRPCServer(t, ca, demoToken, "grpc.test"), "", "allow grpc test.Echo/Say")
	service("closed", demo.URL, "", "deny GET /whoami", "allow read")
	service("live", demo.URL, "", "allow read", "allow upgrade")
	fmt.Fprintf(&connectors, "connector aws-s3 {\nupstream http://%s\nuse access_key {\naccess_key_id %s\nsecret_access_key {env.S3_SECRET}\nregion us-east-1\n}\n}\n", r.s3, s3Key)
	grant("aws-s3", "allow s3:ListAllMyBuckets s3:ListBucket s3:GetObject", "allow s3:PutObject on open/*")
	r.attache = newAttache(t, setup{Attache: "connectors " + dir + "\n" + connectors.String() + "agent local {\n" + grants.String() + "}\n", Listener: "agent local\nunmatched deny",
		Env: []string{"DEMO_TOKEN=" + demoToken, "S3_SECRET=" + s3Secret}, Trust: []*authority{ca}})
	patiently(t, "the GraphQL server", func() bool { return dials(graph) })
	return r
}

// TestRulesOfProtocols: what rules permit works, and what they do not is refused in the
// client's own form: with a GraphQL server of npm, grpcurl, the AWS CLI and WebSockets.
func TestRulesOfProtocols(t *testing.T) {
	r := newRuled(t)
	t.Run("GraphQL", r.graphQL)
	t.Run("gRPC", r.grpcurl)
	t.Run("S3", r.aws)
	t.Run("WebSocket", r.websocket)
	t.Run("HEAD", func(t *testing.T) {
		for _, args := range [][]string{{"-I"}, {"-X", "HEAD", "-m", "5"}, {}} {
			if got := r.curl(t, append(args, r.URL+"/closed/whoami")...); !strings.Contains(got.Stdout, "403") {
				t.Errorf("%v of what a rule denies to GET: %v", args, got)
			}
		}
	})
}

// graphQL sends requests to graphql-http's server; every one is its answer's data or errors,
// or the code of a refusal with what it says.
func (r *ruled) graphQL(t *testing.T) {
	gzipped := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(s))
		_ = z.Close()
		return writeFile(t, filepath.Join(t.TempDir(), "body.gz"), b.String())
	}
	const json, read = "Content-Type: application/json", `{"query":"{ notes }"}`
	long := writeFile(t, filepath.Join(t.TempDir(), "long"), `{"query":"{ notes }","variables":{"x":"`+strings.Repeat("x", 70<<10)+`"}}`)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"reading", []string{"-H", json, "-d", read}, `{"data":{"notes":["first"]}}`},
		{"reading by GET", []string{"-G", "--data-urlencode", "query={ notes }"}, `{"data":{"notes":["first"]}}`},
		{"a mutation that is allowed", []string{"-H", json, "-d", `{"query":"mutation { addNote(text: \"second\") }"}`}, `{"data":{"addNote":2}}`},
		{"deleting", []string{"-H", json, "-d", `{"query":"mutation { deleteNotes }"}`}, "operation_denied deleteNotes"},
		{"by another name", []string{"-H", json, "-d", `{"query":"mutation { notes: deleteNotes }"}`}, "operation_denied deleteNotes"},
		{"chosen by operationName", []string{"-H", json, "-d", `{"query":"query A { notes } mutation B { deleteNotes }","operationName":"B"}`}, "operation_denied deleteNotes"},
		{"operationName names nothing", []string{"-H", json, "-d", `{"query":"query A { notes } mutation B { deleteNotes }","operationName":"C"}`}, "operation_unknown"},
		{"a batch says which", []string{"-H", json, "-d", `[` + read + `,{"query":"mutation { deleteNotes }"}]`}, "operation_denied mutation deleteNotes"},
		{"a name twice", []string{"-H", json, "-d", `{"query":"{ notes }","query":"mutation { deleteNotes }"}`}, "operation_unknown"},
		{"a file beside it", []string{"-F", `operations={"query":"mutation { deleteNotes }"}`, "-F", "map={}"}, "operation_unknown"},
		{"deleting by GET", []string{"-G", "--data-urlencode", "query=mutation { deleteNotes }"}, "operation_denied deleteNotes"},
		{"compressed, deleting", []string{"-H", json, "-H", "Content-Encoding: gzip", "--data-binary", "@" + gzipped(`{"query":"mutation { deleteNotes }"}`)}, "operation_denied deleteNotes"},
		{"compressed in another way", []string{"-H", json, "-H", "Content-Encoding: br", "--data-binary", "@" + gzipped(read)}, "operation_unknown"},
		{"too long", []string{"-H", json, "--data-binary", "@" + long}, "operation_unknown 64 KiB"},
		{"too long, in chunks", []string{"-H", json, "-H", "Transfer-Encoding: chunked", "--data-binary", "@" + long}, "operation_unknown 64 KiB"},
		{"a method in lower case", []string{"-X", "post", "-H", json, "-d", read}, "operation_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for door, args := range map[string][]string{
				"base URL": {r.URL + "/graph/graphql"}, "host name": {"-H", "Host: graph.localhost", r.URL + "/graphql"},
				"absolute form": {"-x", r.URL, "http://graph.test/graphql"}, "CONNECT": {"-x", r.URL, "--cacert", r.CA, "https://graph.test/graphql"},
			} {
				if strings.Contains(c.want, "addNote") && door != "base URL" {
					continue
				}
				got := client{}.run(t, "curl", append(append([]string{"-sS", "--path-as-is"}, c.args...), args...)...).Stdout
				for _, want := range strings.SplitN(c.want, " ", 2) {
					if strings.HasPrefix(c.want, "{") {
						got, want = strings.Replace(got, `,"second"`, "", 1), c.want
					}
					if !strings.Contains(got, want) {
						t.Errorf("%s: %s, want %s", door, got, c.want)
					}
				}
			}
		})
	}
	if got := r.curl(t, "-H", json, "--data-binary", "@"+long, r.URL+"/every/graphql"); !strings.Contains(got.Stdout, `"first"`) {
		t.Errorf("a long body where everything is allowed: %v", got)
	}
	// A body in chunks that stops half-way reaches nobody.
	for _, path := range []string{"/graph/graphql", "/every/graphql"} {
		conn, err := net.Dial("tcp", r.Addr)
		if err != nil {
			t.Fatal(err)
		}
		half := `{"query":"mutation { addNote(text: \"half\") }"}`
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", path, r.Addr, json, len(half), half)
		time.Sleep(100 * time.Millisecond)
		conn.Close()
	}
	time.Sleep(100 * time.Millisecond)
	if got := r.curl(t, "-H", json, "-d", read, r.URL+"/graph/graphql"); strings.Contains(got.Stdout, "half") || !strings.Contains(got.Stdout, `["first","second"]`) {
		t.Errorf("what is there after all this: %v", got)
	}
}

// grpcurl describes the service by a file, since the server has no reflection.
func (r *ruled) grpcurl(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "echo.proto"), `syntax = "proto3";
package test;
import "google/protobuf/wrappers.proto";
service Echo {
  rpc Say(google.protobuf.StringValue) returns (google.protobuf.StringValue);
  rpc Talk(stream google.protobuf.StringValue) returns (stream google.protobuf.StringValue);
}
`)
	for method, want := range map[string]string{"Say": `"echo hello"`, "Talk": "attache: operation_denied"} {
		got := client{Env: trusting(r.URL, r.CA)}.run(t, program(t, "grpcurl"), "-cacert", r.CA, "-import-path", dir, "-proto", "echo.proto", "-d", `"hello"`, "grpc.test:443", "test.Echo/"+method)
		if out := got.Stdout + got.Stderr; !strings.Contains(out, want) || method == "Talk" && !strings.Contains(out, "PermissionDenied") {
			t.Errorf("%s: %v, want %s", method, got, want)
		}
	}
}

func (r *ruled) aws(t *testing.T) {
	const aws = "/usr/bin/aws"
	if !executable(aws) {
		missing(t, aws)
	}
	x := &s3{attache: r.attache, Server: r.s3}
	for _, bucket := range []string{"open", "closed"} {
		client{Env: x.direct()}.mustRun(t, aws, "--endpoint-url", "http://"+r.s3, "s3", "mb", "s3://"+bucket)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "file"), "what is in it")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"s3", "cp", file, "s3://open/file"}, "upload: "},
		{[]string{"s3", "cp", "s3://open/file", "-"}, "what is in it"},
		{[]string{"s3", "cp", file, "s3://closed/file"}, "(OperationDenied) when calling the PutObject operation"},
		{[]string{"s3", "rm", "s3://open/file"}, "(OperationDenied) when calling the DeleteObject operation"},
	} {
		for door, env := range map[string][]string{"CONNECT": x.through(), "base URL": awsEnv()} {
			args := c.args
			if door == "base URL" {
				if c.args[1] != "cp" || c.args[3] == "-" {
					continue // each start of the command line takes a second
				}
				args = append([]string{"--endpoint-url", r.URL + "/aws-s3"}, args...)
			}
			got := client{Env: env}.run(t, aws, args...)
			said := got.Stdout + got.Stderr
			if !strings.Contains(said, c.want) || got.Code != 0 && !strings.Contains(said, "attache: operation_denied: ") {
				t.Errorf("%s: %v, want %s", door, got, c.want)
			}
		}
	}
}

func (r *ruled) websocket(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for key, want := range map[string]int{"live": http.StatusSwitchingProtocols, "closed": http.StatusForbidden} {
		conn, res, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(r.URL, "http")+"/"+key+"/ws", nil)
		if err == nil {
			conn.CloseNow()
		}
		if res == nil || res.StatusCode != want {
			t.Errorf("%s: %v, %v, want %d", key, res, err, want)
		}
	}
}
