// Package endpoint keeps token endpoints from being asked too often, or too late: a
// circuit and a bound for each, back-off, and when tokens are renewed.
package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/attache-proxy/attache/providers/oauth"
)

const (
	// tripAfter failures in a row, of any accounts of a client, an endpoint is left
	// alone by that client.
	tripAfter = 5
	// restFor is for how long; then one request tries.
	restFor = 10 * time.Second
	// maxAtEndpoint is how many requests one client has at an endpoint at a time: a
	// thousand accounts must not find out together that it is dead.
	maxAtEndpoint = 64
	// maxEndpoints bounds what is remembered: an account's field may name the host.
	maxEndpoints = 4096
)

// Set is the token endpoints by host and client, each with a circuit and
// a bound: a service counts its limits by client, and a 429 or 503 for one says
// nothing of others. The zero value is ready.
type Set struct {
	mu sync.Mutex
	m  map[Key]*endpoint
}

// Key is a host, and who asks there: the OAuth client.
type Key struct{ Host, Client string }

type endpoint struct {
	circuit *gobreaker.CircuitBreaker[*http.Response]
	slots   chan struct{}
}

func (s *Set) of(key Key) *endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.m[key]; ok {
		return e
	}
	s.forget()
	e := &endpoint{
		circuit: gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
			Name: key.Host, Timeout: restFor,
			ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= tripAfter },
			IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) || errors.As(err, new(*lateError)) },
		}),
		slots: make(chan struct{}, maxAtEndpoint),
	}
	if s.m == nil {
		s.m = map[Key]*endpoint{}
	}
	s.m[key] = e
	return e
}

// forget makes room: by endpoints that are in order and not in use where there
// are any. The caller holds mu.
func (s *Set) forget() {
	if len(s.m) < maxEndpoints {
		return
	}
	for key, e := range s.m {
		if len(e.slots) == 0 && e.circuit.State() == gobreaker.StateClosed {
			delete(s.m, key)
			return
		}
	}
	for key := range s.m {
		delete(s.m, key)
		return
	}
}

// Check returns an error while the circuit is open.
func (s *Set) Check(key Key) error {
	if s.of(key).circuit.State() == gobreaker.StateOpen {
		return resting(key.Host)
	}
	return nil
}

// resting is the error of a request that is not made.
func resting(host string) error {
	return &oauth.Error{Endpoint: host, Temporary: true, Unsent: true,
		Description: fmt.Sprintf("it failed %d times in a row and is left alone for %v", tripAfter, restFor)}
}

// Circuit puts the endpoints' circuits before an HTTP client.
func (s *Set) Circuit(client string, d oauth.Doer) oauth.Doer { return &circuited{s, client, d} }

type circuited struct {
	endpoints *Set
	client    string
	doer      oauth.Doer
}

// brokenError is an answer that counts as a failure of the endpoint.
type brokenError struct{ res *http.Response }

func (e *brokenError) Error() string { return e.res.Status }

// restingError is a request that the circuit held back.
type restingError struct{ host string }

func (e *restingError) Error() string   { return resting(e.host).(*oauth.Error).Description }
func (e *restingError) NeverLeft() bool { return true }

// Do implements oauth.Doer.
func (d *circuited) Do(req *http.Request) (*http.Response, error) {
	e := d.endpoints.of(Key{req.URL.Host, d.client})
	select {
	case e.slots <- struct{}{}:
	case <-req.Context().Done():
		return nil, &lateError{}
	}
	var once sync.Once
	leave := func() { once.Do(func() { <-e.slots }) }
	res, err := e.circuit.Execute(func() (*http.Response, error) {
		res, err := d.doer.Do(req)
		if err == nil && (res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests) {
			return nil, &brokenError{res}
		}
		return res, err
	})
	var broken *brokenError
	switch {
	case errors.As(err, &broken):
		res, err = broken.res, nil
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		err = &restingError{req.URL.Host}
	}
	if err != nil {
		leave()
		return nil, err
	}
	res.Body = &leaving{res.Body, leave}
	return res, nil
}

// leaving frees a place when the answer has been read.
type leaving struct {
	io.ReadCloser
	leave func()
}

func (l *leaving) Close() error {
	l.leave()
	return l.ReadCloser.Close()
}

// InTime is a client that sends nothing after a moment. It looks once more when
// the body is read, right before it goes out: a process that was stopped between
// taking its lease and sending must not use a refresh token that another replica
// has used meanwhile.
type InTime struct {
	doer   oauth.Doer
	ends   time.Time
	missed *atomic.Bool // a request was held back
}

// NewInTime is d until ends.
func NewInTime(d oauth.Doer, ends time.Time) *InTime { return &InTime{d, ends, new(atomic.Bool)} }

// Missed reports whether a request was held back.
func (d *InTime) Missed() bool { return d.missed.Load() }

// ErrTooLate is joined to the error of a token request that was held back.
var ErrTooLate = errors.New("the lease was about to end")

// lateError is a request that was not sent because its time was over.
type lateError struct{}

func (*lateError) Error() string   { return "it was too late to send the request" }
func (*lateError) NeverLeft() bool { return true }

// Do implements oauth.Doer.
func (d *InTime) Do(req *http.Request) (*http.Response, error) {
	if d.late() {
		return nil, &lateError{}
	}
	if req.Body == nil || req.Body == http.NoBody {
		return d.doer.Do(req)
	}
	req = req.Clone(req.Context())
	req.Body = &timely{req.Body, d}
	if get := req.GetBody; get != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			body, err := get()
			if err != nil {
				return nil, err
			}
			return &timely{body, d}, nil
		}
	}
	return d.doer.Do(req)
}

// late compares by the monotonic clock, which goes on while a process is
// stopped, and by the other, which goes on while a machine is.
func (d *InTime) late() bool {
	now := time.Now()
	if now.After(d.ends) || now.Round(0).After(d.ends.Round(0)) {
		d.missed.Store(true)
		return true
	}
	return false
}

// WithCertificate implements oauth.Presenter.
func (d *InTime) WithCertificate(pair tls.Certificate) (oauth.Doer, error) {
	inner, err := oauth.WithCertificate(d.doer, pair)
	return &InTime{inner, d.ends, d.missed}, err
}

// WithCertificate implements oauth.Presenter.
func (d *circuited) WithCertificate(pair tls.Certificate) (oauth.Doer, error) {
	inner, err := oauth.WithCertificate(d.doer, pair)
	return &circuited{d.endpoints, d.client, inner}, err
}

type timely struct {
	io.ReadCloser
	d *InTime
}

func (b *timely) Read(p []byte) (int, error) {
	if b.d.late() {
		return 0, &lateError{}
	}
	return b.ReadCloser.Read(p)
}
