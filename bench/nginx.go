package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// nginx is Debian's, or whichever is installed.
type nginx struct {
	*process
	addr, config string
}

const nginxConfig = `daemon off;
%[5]s
worker_processes auto;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path %[1]s/nginx-body;
	proxy_temp_path %[1]s/nginx-proxy;
	fastcgi_temp_path %[1]s/nginx-fastcgi;
	uwsgi_temp_path %[1]s/nginx-uwsgi;
	scgi_temp_path %[1]s/nginx-scgi;
	upstream service {
		server %[2]s;
		keepalive 256;
		keepalive_requests 1000000000;
	}
	server {
		listen %[3]s backlog=4096;
		location / {
			proxy_pass http://service;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Authorization "Bearer %[4]s";
		}
	}
}
`

// startNginx starts nginx, or returns nil where none is installed.
func startNginx(ctx context.Context, w *world) (*nginx, error) {
	if _, err := exec.LookPath("nginx"); err != nil {
		progress("nginx is not installed; its rows are left out")
		return nil, nil
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	n := &nginx{addr: "127.0.0.1:" + ports[0], config: filepath.Join(w.dir, "nginx.conf")}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // the directory is ours alone
	}
	text := fmt.Sprintf(nginxConfig, w.dir, w.upstream.addrs[plainHTTP], n.addr, w.token, user)
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return n, n.start(ctx, w)
}

func (n *nginx) start(ctx context.Context, w *world) (err error) {
	if n.process, err = start("nginx", w.dir, nil, nil, nil, "nginx", "-p", w.dir, "-c", n.config, "-e", "stderr"); err != nil {
		return err
	}
	return n.until(ctx, 10*time.Second, n.try(ctx))
}

// try asks once, on a connection of its own.
func (n *nginx) try(ctx context.Context) func() error {
	return once(ctx, plainOpener(n.addr, get("/v1/items", n.addr)))
}
