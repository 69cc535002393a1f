package rest

import (
	"net/http"
	"strings"
)

// notModified answers 304 where the answer has the ETag that the caller knows.
type notModified struct {
	http.ResponseWriter
	known string // If-None-Match
	quiet bool
}

func (n *notModified) WriteHeader(status int) {
	if tag := n.Header().Get("ETag"); status == http.StatusOK && tag != "" && matches(n.known, tag) {
		n.quiet = true
		n.Header().Del("Content-Type")
		status = http.StatusNotModified
	}
	n.ResponseWriter.WriteHeader(status)
}

func (n *notModified) Write(b []byte) (int, error) {
	if n.quiet {
		return len(b), nil
	}
	return n.ResponseWriter.Write(b)
}

func (n *notModified) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func matches(list, tag string) bool {
	for known := range strings.SplitSeq(list, ",") {
		if known = strings.TrimPrefix(strings.TrimSpace(known), "W/"); known == tag || known == "*" {
			return true
		}
	}
	return false
}
