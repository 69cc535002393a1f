package integration_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// sameOutcome compares the JSON objects that two runs of a script printed, and
// says where they differ. Names that contain one of except are left out.
func sameOutcome(t *testing.T, got, want result, except ...string) {
	t.Helper()
	if got.Code != 0 || want.Code != 0 {
		t.Fatalf("through the proxy: %v\ndirect: %v", got, want)
	}
	var g, w map[string]any
	if err := json.Unmarshal([]byte(got.Stdout), &g); err != nil {
		t.Fatalf("%v in %v", err, got)
	}
	if err := json.Unmarshal([]byte(want.Stdout), &w); err != nil {
		t.Fatalf("%v in %v", err, want)
	}
	if len(w) < 10 || strings.Contains(want.Stdout, "SignatureDoesNotMatch") || strings.Contains(want.Stdout, "AccessDenied") {
		t.Fatalf("the script did next to nothing: %v", want)
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		left := slices.ContainsFunc(except, func(s string) bool { return strings.Contains(name, s) })
		if !left && !reflect.DeepEqual(g[name], w[name]) {
			t.Errorf("%s: through the proxy %v, direct %v", name, g[name], w[name])
		}
	}
}

// dotKeys are what the base-URL door refuses: paths with dot segments.
const dotKeys = "dot/"

// boto3 with dummy keys gets from the service what it gets with the real ones.
func TestS3Boto3(t *testing.T) {
	x := newS3(t)
	script := pythonScript(t, "s3.py")
	want := client{Env: x.direct()}.run(t, python, script, "py-direct", "path")
	for _, c := range []struct {
		name, bucket, style string
		env                 []string
		except              []string
	}{
		{"CONNECT, by path", "py-path", "path", x.through(), nil},
		{"CONNECT, by host name", "py-virtual", "virtual", x.through(), nil},
		{"absolute form, by path", "py-absolute", "path", append(x.through(), "AWS_ENDPOINT_URL=http://"+s3Host), nil},
		{"base URL", "py-base", "path", awsEnv("AWS_ENDPOINT_URL=" + x.URL + "/aws-s3"), []string{dotKeys}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, client{Env: c.env}.run(t, python, script, c.bucket, c.style), want, c.except...)
		})
	}
}

// The dummy keys open nothing by themselves: the test tests.
func TestS3DummyKeys(t *testing.T) {
	x := newS3(t)
	r := client{Env: awsEnv()}.run(t, "/usr/bin/aws", "s3", "ls", "--endpoint-url", "http://"+x.Server)
	if r.Code == 0 || !strings.Contains(r.Stderr, "No user exists with the provided access key ID") {
		t.Errorf("dummy keys, direct: want a refusal: %v", r)
	}
}

// The AWS command line: copies, streams, several parts, a tree with odd names.
func TestS3CLI(t *testing.T) {
	x := newS3(t)
	const aws = "/usr/bin/aws" // Debian's awscli
	if !executable(aws) {
		missing(t, aws)
	}
	tree := t.TempDir()
	for _, name := range []string{"a b.txt", "a+b%20c", "ключ", "sub/dir/file", "q?x=1&y"} {
		writeFile(t, filepath.Join(tree, name), name)
	}
	big := writeFile(t, filepath.Join(t.TempDir(), "big"), strings.Repeat("0123456789abcdef", 20<<16)) // 20 MiB: three parts
	for _, c := range []struct {
		name, bucket string
		env, args    []string
	}{
		{"direct", "cli-direct", x.direct(), []string{"--endpoint-url", "http://" + x.Server}},
		{"CONNECT", "cli-connect", x.through(), nil},
		{"base URL", "cli-base", awsEnv(), []string{"--endpoint-url", x.URL + "/aws-s3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl, out := client{Env: c.env}, t.TempDir()
			run := func(want string, args ...string) {
				t.Helper()
				r := cl.run(t, aws, append(args, c.args...)...)
				if r.Code != 0 || !strings.Contains(r.Stdout, want) {
					t.Errorf("want %q: %v", want, r)
				}
			}
			bucket := "s3://" + c.bucket
			if c.name == "CONNECT" { // the gateway makes no bucket by its host name
				client{Env: x.direct()}.mustRun(t, aws, "s3", "mb", bucket, "--endpoint-url", "http://"+x.Server)
			} else {
				run("make_bucket", "s3", "mb", bucket)
			}
			run("upload: ", "s3", "cp", big, bucket+"/big")
			run("download: ", "s3", "cp", bucket+"/big", filepath.Join(out, "big"))
			if readFile(t, filepath.Join(out, "big")) != readFile(t, big) {
				t.Error("20 MiB came back changed")
			}
			cl.Stdin = "from standard input"
			run("", "s3", "cp", "-", bucket+"/stdin")
			cl.Stdin = ""
			run("from standard input", "s3", "cp", bucket+"/stdin", "-")
			run("upload: ", "s3", "sync", tree, bucket+"/tree")
			run("download: ", "s3", "sync", bucket+"/tree", filepath.Join(out, "tree"))
			for name := range files(t, tree) {
				if got, err := os.ReadFile(filepath.Join(out, "tree", name)); string(got) != name {
					t.Errorf("%q came back as %q, %v", name, got, err)
				}
			}
			run("ключ", "s3", "ls", "--recursive", bucket)
			run("ChecksumSHA1", "s3api", "put-object", "--bucket", c.bucket, "--key", "sum", "--body", big, "--checksum-algorithm", "SHA1")
			run("copy: ", "s3", "cp", bucket+"/tree/a b.txt", bucket+"/копия 2")
			run("delete: ", "s3", "rm", "--recursive", bucket)
			run("", "s3", "ls", bucket)
		})
	}
}

// files are the names of the files below dir.
func files(t testing.TB, dir string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			all[rel] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// The AWS SDK for JavaScript sends bodies as aws-chunked with a trailer by itself.
func TestS3Node(t *testing.T) {
	x := newS3(t)
	script := nodeScript(t, "s3.mjs")
	want := client{Env: x.direct()}.run(t, "node", script, "js-direct")
	for _, c := range []struct {
		name, bucket string
		env, except  []string
	}{
		{"CONNECT", "js-connect", append(x.through(), "PROXY_CA="+x.CA), nil},
		{"base URL", "js-base", awsEnv("AWS_ENDPOINT_URL=" + x.URL + "/aws-s3"), []string{dotKeys}},
		{"host name", "js-host", awsEnv(fmt.Sprintf("AWS_ENDPOINT_URL=http://aws-s3.localhost:%d", x.port)), []string{"presigned"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sameOutcome(t, client{Env: c.env}.run(t, "node", script, c.bucket), want, c.except...)
		})
	}
}
