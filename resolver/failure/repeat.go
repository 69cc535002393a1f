package failure

import "net/http"

// Repeatable reports a request that may be sent twice (RFC 9110 §9.2.2) and can be.
func Repeatable(out *http.Request) bool {
	switch out.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return out.Body == nil || out.Body == http.NoBody || out.GetBody != nil
	}
	return false
}

// WorthRepeating reports what may be otherwise the next time.
func WorthRepeating(res *http.Response, err error) bool {
	if err != nil {
		return true
	}
	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
