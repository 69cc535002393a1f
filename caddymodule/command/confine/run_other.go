//go:build !linux

package confine

import "github.com/attache-proxy/attache/caddymodule/command/process"

// Run says that there is none.
func Run(Command) error {
	return process.Unready{Err: &Lacking{What: "that takes Linux; on other systems run it in a container whose network has no way out but the proxy"}}
}
