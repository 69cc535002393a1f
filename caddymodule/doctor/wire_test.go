package doctor

import "testing"

// What clients print is read for the service's status: not for the proxy's answer to
// CONNECT.
func TestAnswered(t *testing.T) {
	for _, tt := range []struct {
		out  string
		want response
	}{
		{"HTTP/1.1 200 Connection Established\r\n\r\nHTTP/2 401 \r\nserver: x\r\n", response{401, ""}},
		{"HTTP/1.1 200 Connection established\r\n\r\ncurl: (60) SSL certificate problem\n", response{}},
		{"HTTP/1.1 403 attache: not_permitted\r\nAttache-Error: not_permitted\r\n", response{403, "not_permitted"}},
		{"=> Send header\n<= Recv header: HTTP/1.1 200 OK\n", response{200, ""}},
		{"attache-doctor: 403 account_expired\n", response{403, "account_expired"}},
		{"attache-doctor: 200 \n", response{200, ""}},
		{"Tunnel connection failed: 403 attache: no_connector", response{0, "no_connector"}},
		{"Could not resolve host", response{}},
	} {
		if got := answered(tt.out); got != tt.want {
			t.Errorf("answered(%q) = %+v, want %+v", tt.out, got, tt.want)
		}
	}
}
