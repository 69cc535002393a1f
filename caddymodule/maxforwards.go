package caddymodule

import (
	"net/http"
	"strconv"
)

// maxForwards counts a request down that may pass only so many proxies (RFC 9110
// §7.6.2); it is for OPTIONS, since TRACE is not passed on at all. At zero we are
// the last, and answer.
func (v *visit) maxForwards() error {
	text := v.r.Header.Get("Max-Forwards")
	if v.r.Method != http.MethodOptions || text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil
	}
	if n > 0 {
		v.r.Header.Set("Max-Forwards", strconv.FormatUint(n-1, 10))
		return nil
	}
	v.w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT")
	v.w.WriteHeader(http.StatusNoContent)
	return errServed
}
