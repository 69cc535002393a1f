package approval

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/attache-proxy/attache/providers"
)

// sum is the SHA-256 of texts, each with its length before it, so that no two lists of
// texts have the same.
type sum struct{ h hash.Hash }

func newSum(purpose string) sum {
	s := sum{sha256.New()}
	s.add(purpose)
	return s
}

func (s sum) add(texts ...string) {
	for _, t := range texts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(t)))
		s.h.Write(n[:])
		s.h.Write([]byte(t))
	}
}

func (s sum) String() string { return hex.EncodeToString(s.h.Sum(nil)) }

// changing are headers that clients set anew for each request and that do not change
// what it does. Every other one is a part of what is approved.
var changing = []string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Attache-Account", "B3", "Baggage", "Connection",
	"Content-Length", "Date", "Expect", "Idempotency-Key", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Sentry-Trace", "Te", "Traceparent", "Tracestate",
	"Transfer-Encoding", "User-Agent", "Via", "X-Amz-Date", "X-Amzn-Trace-Id", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Spanid", "X-B3-Traceid",
	"X-Client-Request-Id", "X-Correlation-Id", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id", "X-Stainless-Retry-Count", "X-Stainless-Read-Timeout", "X-Stainless-Timeout",
}

// meaning adds the headers that may change what a request does. Signed are those in which
// the account's credential is placed: what the agent sent there is not.
func (s sum) meaning(h http.Header, signed func(name string) bool) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if slices.Contains(changing, http.CanonicalHeaderKey(name)) || signed(name) {
			continue
		}
		s.add(name)
		s.add(h[name]...)
	}
}

// act is what a request does, by rule and names, and whether that is known.
func (x *Sent) act() string {
	r, does := &x.Request, x.Does
	if len(does.Does) == 0 {
		return ""
	}
	s := newSum("act")
	s.add(r.AgentID, r.AccountID, r.GrantID, r.Rule, x.HTTP.URL.RawQuery)
	s.meaning(x.HTTP.Header, x.Placed)
	for _, d := range does.Does {
		if d.Name == "" || d.Unsure {
			if does.Unclear {
				return ""
			}
			s.add("path", strings.Join(does.Methods, " "), does.Path, d.Effect.String())
			continue
		}
		s.add("name", d.Name, d.Effect.String(), d.Resource)
	}
	return s.String()
}

// place is where a request has its effect; empty where it has no one resource.
func (x *Sent) place() string {
	r := &x.Request
	if r.Resource == "" || r.Effect == "unknown" {
		return ""
	}
	s := newSum("place")
	s.add(r.AgentID, r.AccountID, r.GrantID, r.Rule, r.Effect, r.Resource, providers.ActsForAnother(x.HTTP.Header, x.HTTP.URL.RawQuery, nil))
	s.meaning(x.HTTP.Header, x.Placed)
	return s.String()
}
