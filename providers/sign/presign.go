package sign

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

// ErrNoPresign says that a connector's signature does not go into a URL that
// can be handed on.
var ErrNoPresign = errors.New("this connector cannot presign a URL")

// Presign signs r in its query, so that its URL works on its own for a while: a
// big transfer need then not pass through the proxy. It works for signers that
// are sigv4, for S3 and those that speak as it does: of other services such a URL
// may stand for the whole account, as that of STS does at EKS. The caller has decided that
// the method, the path and the time are allowed, and hands out r.URL; of r's
// headers only host is signed, unless names are given.
//
// The body is not signed (UNSIGNED-PAYLOAD), since it is not known yet.
func Presign(s Signer, r *http.Request, in *Input, expires time.Duration, headers ...string) error {
	own, ok := s.(*signer)
	if !ok {
		return ErrNoPresign
	}
	in.Request = r
	for _, st := range own.steps {
		if st.when != nil {
			if ok, err := st.when.Eval(&in.Vars); err != nil {
				return explain("when", err)
			} else if !ok {
				continue
			}
		}
		for _, l := range st.lets {
			if err := l.Eval(&in.Vars); err != nil {
				return explain("let "+l.Name(), err)
			}
		}
		for _, p := range st.placers {
			if a, ok := p.(*awsSigner); ok {
				return a.handOut(r, in, expires, headers)
			}
		}
	}
	return ErrNoPresign
}

// handOut presigns on behalf of nobody's earlier signature.
func (s *awsSigner) handOut(r *http.Request, in *Input, expires time.Duration, headers []string) error {
	o, _, err := s.options(r, in)
	if err != nil {
		return err
	}
	if !sigv4.PathOnce(o.Scope.Service) {
		return fmt.Errorf("%w: only those of object storage are handed out, and %s signs for %s", ErrNoPresign, hostname(r), o.Scope.Service)
	}
	if expires < time.Second || expires > 7*24*time.Hour {
		return cannot("a presigned URL lives from one second to seven days")
	}
	o.SignedHeaders, o.Hash = headers, sigv4.Unsigned
	return failed(sigv4.Presign(r, o, int(expires/time.Second)))
}
