package refusal

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers/printable"
)

// shape is a refusal as one kind of client shows it to people. Most show nothing of
// a body that is not in their own service's form.
type shape struct {
	// asks reports a request of such a client.
	asks func(r *http.Request) bool
	// write answers. The headers that all refusals have are set.
	write func(w http.ResponseWriter, r *http.Request, ref *Refusal, status int)
}

// shapes are looked through in this order; whoever asks in none of them gets a problem
// (RFC 9457) that has the members which most SDKs look for.
var shapes = []shape{
	{isGRPC, writeGRPC},
	{isGit, writeGit},
	{isAWS, writeAWS},
	{isMCP, writeMCP},
	{isRegistry, writeRegistry},
	{isNPM, writeNPM},
}

// message is all that a person needs, in one line.
func (r *Refusal) message() string {
	parts := []string{"attache: " + r.Code + ": " + strings.TrimSuffix(r.Detail, ".") + ".", r.Next}
	if r.ConnectURL != "" && !strings.Contains(r.Next, r.ConnectURL) {
		parts = append(parts, r.ConnectURL)
	}
	return strings.TrimSpace(printable.Line(strings.Join(parts, " ")))
}

func writeJSON(w http.ResponseWriter, contentType string, status int, body any) {
	text, _ := json.Marshal(body)
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(printable.JSON(text), '\n'))
}

// said is the member error, or one of errors.
type said struct {
	Message    string            `json:"message"`
	Type       string            `json:"type,omitempty"`
	Code       any               `json:"code,omitempty"`
	Extensions map[string]string `json:"extensions,omitempty"` // GraphQL's
	Data       any               `json:"data,omitempty"`       // JSON-RPC's
}

// Git: the first answer's text is shown where it is text/plain, that of a later one
// where it is an error of the protocol (pkt-line ERR).

func isGit(r *http.Request) bool {
	return isGitService(r) || r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/info/refs") && strings.HasPrefix(r.URL.Query().Get("service"), "git-")
}

func isGitService(r *http.Request) bool {
	return r.Method == http.MethodPost && slices.ContainsFunc([]string{"git-upload-pack", "git-receive-pack"}, func(s string) bool {
		return strings.HasSuffix(r.URL.Path, "/"+s) && r.Header.Get("Content-Type") == "application/x-"+s+"-request"
	})
}

func writeGit(w http.ResponseWriter, r *http.Request, ref *Refusal, status int) {
	if !isGitService(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, ref.message()+"\n")
		return
	}
	w.Header().Set("Content-Type", strings.TrimSuffix(r.Header.Get("Content-Type"), "request")+"result")
	line := "ERR " + ref.message() + "\n"
	_, _ = fmt.Fprintf(w, "%04x%s", len(line)+4, line)
}

// AWS: XML or JSON, by the service that the request was signed for.

func isAWS(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-") || r.Header.Get("X-Amz-Target") != "" || r.Header.Get("X-Amz-Date") != ""
}

// awsService is what stands in the scope of the agent's own signature: s3, sts, dynamodb.
func awsService(r *http.Request) string {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if scope = strings.TrimSpace(strings.SplitN(scope, ",", 2)[0]); strings.Count(scope, "/") < 4 {
		return ""
	}
	parts := strings.Split(scope, "/")
	return parts[len(parts)-2]
}

// awsError is an error of the services that speak XML.
type awsError struct {
	XMLName xml.Name `xml:"Error"`
	Type    string   `xml:"Type,omitempty"`
	Code    string   `xml:"Code"`
	Message string   `xml:"Message"`
}

func writeAWS(w http.ResponseWriter, r *http.Request, ref *Refusal, status int) {
	h, service, code := w.Header(), awsService(r), camel(ref.Code)
	kind := "Sender"
	if status >= 500 {
		kind = "Receiver"
	}
	said := awsError{Type: kind, Code: code, Message: ref.message()}
	var body any
	contentType := r.Header.Get("Content-Type")
	switch {
	case service == "s3" || service == "s3express":
		said.Type = ""
		body = said
	case service == "ec2":
		body = struct {
			XMLName xml.Name `xml:"Response"`
			Errors  struct{ Error awsError }
		}{Errors: struct{ Error awsError }{said}}
	case strings.Contains(contentType, "json") || r.Header.Get("X-Amz-Target") != "" || r.Method != http.MethodPost && r.URL.Query().Get("Action") == "" && service != "cloudfront" && service != "route53":
		h.Set("X-Amzn-Errortype", code)
		writeJSON(w, "application/json", status, map[string]string{"__type": code, "message": said.Message, "Message": said.Message})
		return
	default:
		body = struct {
			XMLName xml.Name `xml:"ErrorResponse"`
			Error   awsError
		}{Error: said}
	}
	text, _ := xml.Marshal(body)
	h.Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), text...))
}

// camel makes AccountNotConnected of account_not_connected.
func camel(code string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(code, "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// MCP: an error of JSON-RPC that belongs to no message, as its HTTP transport has it.

func isMCP(r *http.Request) bool {
	h := r.Header
	if h.Get("Mcp-Protocol-Version") != "" || h.Get("Mcp-Session-Id") != "" || h.Get("Mcp-Method") != "" {
		return true
	}
	accept := strings.Join(h.Values("Accept"), ",")
	return r.Method == http.MethodPost && strings.Contains(accept, "text/event-stream") && strings.Contains(accept, "application/json") && strings.HasPrefix(h.Get("Content-Type"), "application/json")
}

// refusedRPC is the code of our refusals in JSON-RPC, of those that servers choose.
const refusedRPC = -32003

func writeMCP(w http.ResponseWriter, _ *http.Request, ref *Refusal, status int) {
	p := ref.problem(status)
	p.JSONRPC, p.Error = "2.0", &said{Message: ref.message(), Code: refusedRPC, Data: map[string]string{"code": ref.Code, "next": ref.Next, "connect_url": ref.ConnectURL, "approval": ref.Approval, "proposal": ref.proposed()}}
	writeJSON(w, "application/json", status, p)
}

// Container registries (the OCI distribution specification).

func isRegistry(r *http.Request) bool {
	if !strings.Contains(r.URL.Path, "/v2/") {
		return false
	}
	agent, accept := strings.ToLower(r.UserAgent()), strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accept, "application/vnd.oci.") || strings.Contains(accept, "application/vnd.docker.") ||
		slices.ContainsFunc([]string{"docker/", "go-containerregistry", "containers/", "containerd/", "skopeo", "buildah", "podman", "helm/", "oras", "crane", "buildkit"}, func(s string) bool { return strings.Contains(agent, s) })
}

func writeRegistry(w http.ResponseWriter, _ *http.Request, ref *Refusal, status int) {
	code := "DENIED"
	switch {
	case status == http.StatusUnauthorized:
		code = "UNAUTHORIZED"
	case status == http.StatusTooManyRequests:
		code = "TOOMANYREQUESTS"
	case status >= 500:
		code = "UNAVAILABLE"
	}
	p := ref.problem(status)
	p.Errors = []said{{Message: ref.message(), Code: code}}
	writeJSON(w, "application/json", status, p)
}

// npm and its like show the member error where it is a text.

func isNPM(r *http.Request) bool {
	agent := r.UserAgent()
	return r.Header.Get("Npm-Command") != "" || strings.HasPrefix(agent, "npm/") || strings.HasPrefix(agent, "pnpm/") || strings.HasPrefix(agent, "yarn/")
}

func writeNPM(w http.ResponseWriter, _ *http.Request, ref *Refusal, status int) {
	writeJSON(w, "application/json", status, map[string]string{"error": ref.message(), "message": ref.message(), "code": ref.Code})
}
