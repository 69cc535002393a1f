package relay

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
)

// Libraries of clouds do not start without a credential, and look for one where their
// machines have it. The run's own listener hands out a placeholder there, which the
// proxy replaces as any other.

// metadataLife is how long a placeholder is said to last: it is as good after that.
const metadataLife = time.Hour

// metadata answers what is asked of a cloud's machine; ok is false for all else.
func metadata(h *head) (answer string, ok bool) {
	u, err := url.ParseRequestURI(h.target)
	if err != nil || h.method != "GET" || !strings.HasPrefix(h.target, "/") {
		return "", false
	}
	switch {
	case u.Path == client.IdentityPath:
		return identity(h, u), true
	case strings.HasPrefix(u.Path, "/computeMetadata/"), u.Path == "/" && h.has("metadata-flavor"):
		return compute(h, u), true
	}
	return "", false
}

// compute is Google's metadata server.
// https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys
func compute(h *head, u *url.URL) string {
	const flavor = "Metadata-Flavor: Google\r\n"
	if v := h.values("metadata-flavor"); len(v) == 0 || !strings.EqualFold(v[0], "Google") {
		return said("403 Forbidden", flavor, "text/plain", "the header Metadata-Flavor: Google is missing\n")
	}
	const email, scope = "attache@placeholder.invalid", "https://www.googleapis.com/auth/cloud-platform"
	account := map[string]any{"aliases": []string{"default"}, "email": email, "scopes": []string{scope}}
	path := strings.Trim(strings.TrimPrefix(u.Path, "/computeMetadata/v1"), "/")
	rest, ofAccount := strings.CutPrefix(path, "instance/service-accounts")
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	switch {
	case u.Path == "/" || path == "":
		return said("200 OK", flavor, "text/plain", "instance/\nproject/\n")
	case path == "universe/universe-domain":
		return said("200 OK", flavor, "text/plain", "googleapis.com")
	case !ofAccount:
	case parts[0] == "":
		if u.Query().Get("recursive") == "true" {
			return object(flavor, map[string]any{"default": account})
		}
		return said("200 OK", flavor, "text/plain", "default/\n")
	case parts[0] != "default" && parts[0] != email:
	case len(parts) == 1:
		if u.Query().Get("recursive") == "true" {
			return object(flavor, account)
		}
		return said("200 OK", flavor, "text/plain", "aliases\nemail\nscopes\ntoken\n")
	case parts[1] == "token":
		return object(flavor, map[string]any{"access_token": client.Placeholder, "expires_in": int(metadataLife.Seconds()) - 1, "token_type": "Bearer"})
	case parts[1] == "email":
		return said("200 OK", flavor, "text/plain", email)
	case parts[1] == "scopes":
		return said("200 OK", flavor, "text/plain", scope+"\n")
	}
	return said("404 Not Found", flavor, "text/plain", "this is no machine of Google's: here are placeholders alone\n")
}

// identity is the endpoint of managed identities in Azure's App Service.
// https://learn.microsoft.com/azure/app-service/overview-managed-identity
func identity(h *head, u *url.URL) string {
	if v := h.values("x-identity-header"); len(v) == 0 || v[0] != client.Placeholder {
		return said("403 Forbidden", "", "text/plain", "the header X-Identity-Header is missing\n")
	}
	return object("", map[string]any{"access_token": client.Placeholder, "expires_on": fmt.Sprint(time.Now().Add(metadataLife).Unix()),
		"resource": u.Query().Get("resource"), "token_type": "Bearer", "client_id": "00000000-0000-0000-0000-000000000000"})
}

func object(header string, v map[string]any) string {
	text, _ := json.Marshal(v) // of texts and numbers
	return said("200 OK", header, "application/json", string(text))
}

func said(status, header, kind, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, header, kind, len(body), body)
}
