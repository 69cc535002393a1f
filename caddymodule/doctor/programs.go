package doctor

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/caddymodule/client"
)

// program is one client: how it sends one GET and tells the status.
type program struct {
	command string
	args    func(dir, at string, c client.Connector) ([]string, error)
	env     []string
	// anyStatus says that it asks for something of its own, to which any answer of the
	// service will do.
	anyStatus bool
	// failed says of its output whether it failed before the service answered; nil
	// where the exit code says so.
	failed func(out string) error
}

// Programs are the clients that can be started, by name.
func Programs() []string { return slices.Sorted(maps.Keys(programs)) }

// line is a program that is given in one argument, with the URL after it.
func line(command string, before ...string) program {
	return program{command: command, args: func(_, at string, _ client.Connector) ([]string, error) {
		if at == "" {
			return nil, errNoURL
		}
		return append(slices.Clone(before), at), nil
	}}
}

// compiled is a program that is compiled from a file.
func compiled(command, name, text string, before ...string) program {
	return program{command: command, args: func(dir, at string, _ client.Connector) ([]string, error) {
		if at == "" {
			return nil, errNoURL
		}
		file, err := source(dir, name, text)
		return append(slices.Clone(before), file, at), err
	}}
}

var errNoURL = errors.New("the connector has no host by name that could be called")

// programs is every client that --client knows. Each tells what it got as
// "attache-doctor: STATUS CODE".
var programs = map[string]program{
	"curl": line("curl", "-sS", "-m", "60", "-o", "/dev/null", "-D", "-"),
	"wget": line("wget", "-T", "60", "-t", "1", "-S", "-O", "/dev/null"),
	"python": line("python3", "-c", `import sys, urllib.error, urllib.request
try: r = urllib.request.urlopen(sys.argv[1], timeout=60)
except urllib.error.HTTPError as e: r = e
print("attache-doctor:", r.status, r.headers.get("Attache-Error", ""))`),
	"requests": line("python3", "-c", `import sys, requests
r = requests.get(sys.argv[1], timeout=60)
print("attache-doctor:", r.status_code, r.headers.get("Attache-Error", ""))`),
	"node": line("node", "-e", `require('https').get(process.argv[1], r => {
  console.log('attache-doctor:', r.statusCode, r.headers['attache-error'] || ''); r.resume();
}).on('error', e => { console.error(e.message); process.exitCode = 1; })`),
	"fetch": line("node", "-e", `fetch(process.argv[1]).then(r => console.log('attache-doctor:', r.status, r.headers.get('attache-error') || ''),
  e => { console.error(String(e.cause || e)); process.exitCode = 1; })`),
	"bun":  line("bun", "-e", `const r = await fetch(process.argv[1]); console.log('attache-doctor:', r.status, r.headers.get('attache-error') || '')`),
	"ruby": line("ruby", "-rnet/http", "-e", `r = Net::HTTP.get_response(URI(ARGV[0])); puts "attache-doctor: #{r.code} #{r['attache-error']}"`),
	"perl": line("perl", "-MLWP::UserAgent", "-e", `$r = LWP::UserAgent->new->get($ARGV[0]); print "attache-doctor: ", ($r->header("Client-Warning") ? die $r->status_line : $r->code), " ", $r->header("Attache-Error") // "", "\n"`),
	"php": line("php", "-r", `$c = curl_init($argv[1]); curl_setopt($c, CURLOPT_HEADER, true); curl_setopt($c, CURLOPT_NOBODY, false); curl_exec($c);
if (curl_errno($c)) { fwrite(STDERR, curl_error($c)); exit(1); }`, "--"),
	"git": {command: "git", anyStatus: true, env: []string{"GIT_CURL_VERBOSE=1", "GIT_TERMINAL_PROMPT=0"},
		args: func(_, at string, _ client.Connector) ([]string, error) {
			if at == "" {
				return nil, errNoURL
			}
			return []string{"ls-remote", at}, nil
		},
		failed: func(string) error { return nil }, // the trace says what was answered
	},
	"aws": {command: "aws", args: awsArgs, failed: func(out string) error {
		if strings.Contains(out, "An error occurred (") {
			return nil
		}
		return errors.New("it failed")
	}},
	"go": compiled("go", "main.go", `package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	r, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("attache-doctor:", r.StatusCode, r.Header.Get("Attache-Error"))
}
`, "run"),
	"java": compiled("java", "Get.java", `import java.net.URI;
import java.net.http.*;

class Get {
    public static void main(String[] args) throws Exception {
        var r = HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(args[0])).build(), HttpResponse.BodyHandlers.discarding());
        System.out.println("attache-doctor: " + r.statusCode() + " " + r.headers().firstValue("attache-error").orElse(""));
    }
}
`),
}

// awsArgs asks who we are, or which buckets there are: whichever the connector covers.
func awsArgs(_, _ string, c client.Connector) ([]string, error) {
	covers := func(word string) bool {
		return slices.ContainsFunc(c.Hosts, func(h string) bool { return strings.HasPrefix(h, word) })
	}
	switch {
	case covers("sts."), covers("*."):
		return []string{"sts", "get-caller-identity", "--region", "us-east-1"}, nil
	case covers("s3"):
		return []string{"s3api", "list-buckets", "--region", "us-east-1"}, nil
	}
	return nil, errors.New("the connector covers neither sts nor s3")
}

// source writes a program's text for a compiler.
func source(dir, name, text string) (string, error) {
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, []byte(text), 0o600)
}
