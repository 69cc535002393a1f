package caddymodule

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/attache-proxy/attache/resolver"
)

// PresignRequest is the body of POST /.well-known/attache/presign, for agents
// whose grant says presign.
type PresignRequest struct {
	// URL is absolute; or a path, and Connector says of what.
	URL       string `json:"url"`
	Connector string `json:"connector"`
	Account   string `json:"account"`
	// Method is GET unless it is given.
	Method string `json:"method"`
	// ExpiresIn is in seconds, from 1 to 3600; absent: 900.
	ExpiresIn int `json:"expires_in"`
	// Headers are signed too, and must be sent with the URL.
	Headers map[string]string `json:"headers"`
}

// PresignAnswer is the answer.
type PresignAnswer struct {
	URL       string            `json:"url"`
	Method    string            `json:"method"`
	Headers   map[string]string `json:"headers,omitempty"`
	ExpiresAt time.Time         `json:"expires_at"`
}

// presign makes a URL for the agent. It is decided as a request with that
// method and path would be, and audited as a request at the door "presign", with the method, host and path of
// the URL.
func (v *visit) presign() error {
	v.door = resolver.DoorPresign
	user, err := v.identifyDirect()
	if err != nil {
		return err
	}
	var in PresignRequest
	dec := json.NewDecoder(http.MaxBytesReader(v.w, v.r.Body, 64<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return badRequest("the body is not what is taken here: a JSON object with url, and perhaps method, expires_in in seconds, headers, account and connector")
	}
	in.Account = v.choice(in.Account, user).Account()
	if in.ExpiresIn < 0 || in.ExpiresIn > int(resolver.MaxPresign.Seconds()) {
		return badRequest("expires_in is not from 1 to 3600 seconds")
	}
	if in.Method == "" {
		in.Method = http.MethodGet
	}
	made, call, err := v.h.app.resolver.Presign(v.r.Context(), resolver.Presigning{
		Agent: v.agent, Connector: in.Connector, Name: in.Account, Method: in.Method, URL: in.URL,
		Header: headerOf(in.Headers), Expires: time.Duration(in.ExpiresIn) * time.Second,
	})
	v.call, v.ask.Method = call, in.Method
	if u, err := url.Parse(in.URL); err == nil {
		v.ask.Path = u.EscapedPath()
	}
	if err != nil {
		return err
	}
	v.status = http.StatusOK
	v.observe(nil, nil)
	return v.json(http.StatusOK, PresignAnswer{URL: made.URL, Method: made.Method, Headers: in.Headers, ExpiresAt: made.ExpiresAt.UTC().Truncate(time.Second)})
}
