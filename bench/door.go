package main

import (
	"context"
	"crypto/tls"
	"net/http"
)

// plainOpener opens connections over plain TCP that repeat one request.
func plainOpener(addr string, request []byte) opener {
	return each(func(ctx context.Context) (client, error) {
		conn, err := dialTCP(ctx, addr)
		if err != nil {
			return nil, err
		}
		return newH1Client(conn, request), nil
	})
}

// tlsOpener does the same over TLS with HTTP/1.1 inside.
func tlsOpener(addr, name string, conf *tls.Config, request []byte) opener {
	return each(func(ctx context.Context) (client, error) {
		conn, err := dialTLS(ctx, addr, name, conf, "http/1.1")
		if err != nil {
			return nil, err
		}
		return newH1Client(conn, request), nil
	})
}

// basePath is the base-URL door: /connector/…
func (a *attache) basePath(connector string) opener {
	return plainOpener(a.addr, get("/"+connector+"/v1/items", a.addr, bearer(a.agentToken)))
}

// composedPath is the same door where Caddy's reverse_proxy forwards.
func (a *attache) composedPath(connector string) opener {
	return plainOpener(a.composed, get("/"+connector+"/v1/items", a.composed, bearer(a.agentToken)))
}

// hostName is the host-name door: connector.localhost.
func (a *attache) hostName(connector string) opener {
	return plainOpener(a.addr, get("/v1/items", connector+".localhost:"+a.port, bearer(a.agentToken)))
}

// absolute is the forward proxy for plain HTTP: a request with a whole URL.
func (a *attache) absolute(host string) opener {
	return plainOpener(a.addr, get("http://"+host+"/v1/items", host, proxyBasic(agentName, a.agentToken)))
}

// dialInside opens an intercepted tunnel and starts TLS in it.
func (a *attache) dialInside(ctx context.Context, host string, conf *tls.Config, protos ...string) (*tls.Conn, error) {
	conn, err := dialTunnel(ctx, a.addr, host+":443", proxyBasic(agentName, a.agentToken))
	if err != nil {
		return nil, err
	}
	return startTLS(ctx, conn, host, conf, protos)
}

// tunnelH1 is the forward proxy for HTTPS: a tunnel for each connection, with
// HTTP/1.1 inside.
func (a *attache) tunnelH1(host string, conf *tls.Config) opener {
	request := get("/v1/items", host)
	return each(func(ctx context.Context) (client, error) {
		conn, err := a.dialInside(ctx, host, conf, "http/1.1")
		if err != nil {
			return nil, err
		}
		return newH1Client(conn, request), nil
	})
}

// tunnelH2 has HTTP/2 inside and so many streams in each tunnel; zero puts all
// into one.
func (a *attache) tunnelH2(host string, conf *tls.Config, streams int) opener {
	return h2Opener(host, streams, func(ctx context.Context) (*tls.Conn, error) { return a.dialInside(ctx, host, conf, "h2") })
}

// h2Opener opens HTTP/2 connections with so many streams each.
func h2Opener(host string, streams int, dial func(context.Context) (*tls.Conn, error)) opener {
	header := http.Header{"User-Agent": {"attache-bench/1"}, "Accept": {"application/json"}, "Accept-Encoding": {"gzip, deflate"}}
	return func(ctx context.Context, n int) ([]client, error) {
		var cs []client
		var conn *sharedConn
		for i := range n {
			if i == 0 || streams > 0 && i%streams == 0 {
				tc, err := dial(ctx)
				if err == nil {
					conn, err = newSharedConn(ctx, tc)
				}
				if err != nil {
					closeAll(cs)
					return nil, err
				}
			}
			cs = append(cs, conn.client(host, header))
		}
		return cs, nil
	}
}

// opaque is a tunnel that the proxy does not look into; the agent holds the
// credential itself.
func (a *attache) opaque(addr, name string, conf *tls.Config, token string) opener {
	request := get("/v1/items", name, bearer(token))
	return each(func(ctx context.Context) (client, error) {
		conn, err := dialTunnel(ctx, a.addr, addr, proxyBasic(agentName, a.agentToken))
		if err != nil {
			return nil, err
		}
		tc, err := startTLS(ctx, conn, name, conf, []string{"http/1.1"})
		if err != nil {
			return nil, err
		}
		return newH1Client(tc, request), nil
	})
}

// once opens one connection, sends one request and closes it.
func once(ctx context.Context, open opener) func() error {
	return func() error {
		cs, err := open(ctx, 1)
		if err != nil {
			return err
		}
		defer closeAll(cs)
		return cs[0].do()
	}
}
