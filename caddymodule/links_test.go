package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestDropH2C(t *testing.T) {
	for _, c := range []struct {
		upgrade []string
		gone    bool
	}{{[]string{"h2c"}, true}, {[]string{"H2C"}, true}, {[]string{"websocket, h2c"}, true}, {[]string{"h2c,websocket"}, true}, {[]string{"websocket", " h2c "}, true}, {[]string{"h2c/1, x"}, true}, {[]string{"websocket"}, false}, {[]string{"TLS/1.0"}, false}, {nil, false}} {
		h := http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Http2-Settings": {"x"}}
		if c.upgrade != nil {
			h["Upgrade"] = c.upgrade
		}
		if dropH2C(h); (len(h) == 0) != c.gone {
			t.Errorf("Upgrade %q: %v remains", c.upgrade, h)
		}
	}
}

// The head of an answer: no type of ours, and the end of a connection whose
// request may have been framed in two ways.
func TestAnswerHeads(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r}
		out := v.answerWriter()
		if r.URL.Path == "/typed" {
			out.Header().Set("Content-Type", "text/x-own")
		}
		out.WriteHeader(200)
		_, _ = out.Write([]byte("<html>"))
	}))
	defer s.Close()
	for path, want := range map[string]string{"/typed": "text/x-own", "/": ""} {
		res, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Content-Type"); got != want || len(res.Header["Content-Type"]) > 1 || res.Close {
			t.Errorf("%s: Content-Type %q, closes %v; want %q and an open connection", path, got, res.Close, want)
		}
	}
}
