package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

// signedBody is how long the body is that a signature covers.
const signedBody = 1 << 10

// post writes a POST with a body of that length.
func post(target, host string, headers ...string) []byte {
	head := get(target, host, append(headers, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", signedBody))...)
	return append(bytes.Replace(head, []byte("GET"), []byte("POST"), 1), strings.Repeat("b", signedBody)...)
}

// steadySigned sends bodies that are signed on their way: by an expression, and
// by Signature Version 4. Plain Caddy sends them with a header.
func steadySigned(ctx context.Context, w *world, r *report) error {
	a := w.attache
	g := group{title: "A body of 1 KiB over plain HTTP, signed on its way", reference: "Caddy, pool of 256", conns: []int{16}}
	g.add("Caddy, pool of 256", plainOpener(w.caddy.pool, post("/v1/items", w.caddy.pool)), w.caddy.process, plainHTTP)
	g.add("Go, httputil.ReverseProxy", plainOpener(w.goProxy.addr, post("/v1/items", w.goProxy.addr)), w.goProxy.process, plainHTTP)
	for _, k := range []struct{ name, connector string }{{"bearer", "bench"}, {"HMAC by an expression", "bench-hmac"}, {"SigV4", "bench-aws"}} {
		add := func(name string, a *attache) {
			g.add(name+", base URL, "+k.name, a.signedPost(k.connector), a.process, plainHTTP)
		}
		add("Attaché", a)
		if w.before != nil {
			add("Attaché before", w.before)
		}
	}
	return g.run(ctx, w, r)
}

// signedPost sends such a body to a connector by the base-URL door.
func (a *attache) signedPost(connector string) opener {
	return plainOpener(a.addr, post("/"+connector+"/v1/items", a.addr, bearer(a.agentToken)))
}
