package answer

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// What a service says after the body is cleaned like its head, in HTTP/1.1 and in
// HTTP/2, whether it announced it or not.
func TestTrailersAreCleaned(t *testing.T) {
	said := []string{"Set-Cookie", "Set-Cookie2", "Attache-Error", "Attache-Connect-Url", "Authorization", "Content-Length", "Www-Authenticate"}
	says := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Set-Cookie, Attache-Error, X-Sum, Grpc-Status")
		_, _ = io.WriteString(w, "text")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "1")
		w.Header().Set("Grpc-Status", "0")
		for _, name := range said {
			w.Header().Set(name, "x")
			w.Header().Set(http.TrailerPrefix+name, "x")
		}
	})
	for _, two := range []bool{false, true} {
		service := httptest.NewUnstartedServer(says)
		defer service.Close()
		if service.EnableHTTP2 = two; two {
			service.StartTLS()
		} else {
			service.Start()
		}
		client := service.Client()
		for _, c := range []*providers.Connector{nil, {Definition: new(providers.Definition)}} {
			res, err := client.Get(service.URL)
			if err != nil {
				t.Fatal(err)
			}
			if Clean(c, res); len(res.Trailer["Set-Cookie"]) > 0 || len(res.Header["Attache-Error"]) > 0 {
				t.Errorf("announced: %v", res.Trailer)
			}
			if _, announced := res.Trailer["Set-Cookie"]; announced {
				t.Error("a cookie is announced")
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || string(body) != "text" || (res.ProtoMajor == 2) != two {
				t.Errorf("%s: %q, %v", res.Proto, body, err)
			}
			if res.Trailer.Get("X-Sum") != "1" || res.Trailer.Get("Grpc-Status") != "0" {
				t.Errorf("%s: honest trailers are %v", res.Proto, res.Trailer)
			}
			for _, name := range said {
				if _, there := res.Trailer[name]; there {
					t.Errorf("%s: the trailer %s passed", res.Proto, name)
				}
			}
			res.Body.Close()
		}
	}
}
