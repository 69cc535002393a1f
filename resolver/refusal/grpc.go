package refusal

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// gRPC: a status in headers, without a body (Trailers-Only).

func isGRPC(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") && (r.ProtoMajor == 2 || strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc-web"))
}

// grpcCodes are those of google.rpc.Code, by HTTP status.
var grpcCodes = map[int]int{400: 3, 401: 16, 403: 7, 404: 5, 407: 16, 409: 9, 413: 8, 421: 9, 429: 8, 501: 12, 503: 14, 504: 4}

func writeGRPC(w http.ResponseWriter, r *http.Request, ref *Refusal, status int) {
	code, ok := grpcCodes[status]
	switch {
	case ok:
	case ref.mayHelpLater():
		code = 14
	default:
		code = 13
	}
	h := w.Header()
	h.Set("Content-Type", r.Header.Get("Content-Type"))
	h.Set("Grpc-Status", fmt.Sprint(code))
	h.Set("Grpc-Message", strings.ReplaceAll(url.QueryEscape(ref.message()), "+", "%20"))
	w.WriteHeader(http.StatusOK)
}

// grpcUnits are those of the header Grpc-Timeout (gRPC over HTTP/2, "Requests").
var grpcUnits = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}

// Timely is the refusal of a request that began so long ago. Services end a gRPC
// call that is over its deadline, and may be faster than the client: it waits for a
// deadline then, and a connection that failed is something that it would try again.
func (r *Refusal) Timely(req *http.Request, passed time.Duration) *Refusal {
	value := req.Header.Get("Grpc-Timeout")
	if r.Code != "upstream_unreachable" || value == "" || !isGRPC(req) {
		return r
	}
	n, err := strconv.ParseUint(value[:len(value)-1], 10, 32)
	unit := grpcUnits[value[len(value)-1]]
	if err != nil || unit == 0 || float64(passed) < float64(n)*float64(unit) {
		return r
	}
	late := *r
	late.Code = "upstream_timeout"
	return &late
}
