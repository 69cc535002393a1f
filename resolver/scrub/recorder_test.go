package scrub

import (
	"bytes"
	"net/http"
	"time"
)

var timeZero time.Time

// httptestRecorder is what http.ServeContent writes to.
type httptestRecorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *httptestRecorder) Header() http.Header         { return r.header }
func (r *httptestRecorder) WriteHeader(status int)      { r.status = status }
func (r *httptestRecorder) Write(p []byte) (int, error) { return r.body.Write(p) }
