package providers

import (
	"fmt"
	"net/http"
	"slices"
)

// What Definition.Cookies may say.
const (
	CookiesPass = "pass"
	CookiesDrop = "drop"
)

// compileKeep finds which of the agent's own headers do not reach the service.
func (c *Connector) compileKeep() error {
	for _, k := range c.Keep {
		if k != "authorization" && k != "cookie" {
			return fmt.Errorf("keep %q: want authorization or cookie", k)
		}
	}
	if !slices.Contains([]string{"", CookiesPass, CookiesDrop}, c.Cookies) {
		return fmt.Errorf("cookies %q: want pass or drop", c.Cookies)
	}
	if !slices.Contains(c.Keep, "authorization") {
		c.Removes = append(c.Removes, "Authorization")
	}
	if c.Cookies != CookiesPass && !slices.Contains(c.Keep, "cookie") {
		c.Removes = append(c.Removes, "Cookie")
	}
	return nil
}

// CleanAnswer takes the cookies that a service sets off the head of its answer, or
// its trailers, unless they pass. A nil connector is a host of none, whose answers
// are not ours.
func (c *Connector) CleanAnswer(h http.Header) {
	if c == nil || c.Cookies == CookiesPass {
		return
	}
	delete(h, "Set-Cookie")
	delete(h, "Set-Cookie2") // RFC 2965: gone, but servers still send it
}
