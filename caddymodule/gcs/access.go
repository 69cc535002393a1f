package gcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
)

// Access is what a service account may do with a bucket.
type Access string

// What a service account may do.
const (
	None  Access = "none"  // take away what SetAccess gave
	Read  Access = "read"  // list and read objects
	Write Access = "write" // and write and delete them
)

// roles of the accesses (https://cloud.google.com/storage/docs/access-control/iam-roles).
var roles = map[Access]string{Read: "roles/storage.objectViewer", Write: "roles/storage.objectUser"}

// email is the address of a service account: never a person, a group, or everybody.
var email = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}@[a-z0-9.-]+\.gserviceaccount\.com$`)

// ErrEmail is what other addresses are refused with.
var ErrEmail = errors.New("want the e-mail address of a service account, NAME@PROJECT.iam.gserviceaccount.com")

// StatusError is a refusal of Google's.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("Google answered %d", e.Status) }

// SetAccess gives a service account that access to a bucket, and takes any other
// away that SetAccess gives. Rt sends the requests with a credential that may
// edit the bucket's policy. It says whether something changed.
//
// It returns ErrEmail, or *StatusError where Google refused. Where somebody else
// edits the policy at the same time Google answers 412; it may be tried again.
func SetAccess(ctx context.Context, rt http.RoundTripper, bucket, account string, a Access) (changed bool, err error) {
	if !email.MatchString(account) {
		return false, ErrEmail
	}
	p := policy{rt: rt, url: "https://" + Host + "/storage/v1/b/" + url.PathEscape(bucket) + "/iam"}
	doc, bindings, err := p.read(ctx)
	if err != nil {
		return false, err
	}
	member := "serviceAccount:" + account
	for _, access := range []Access{Read, Write} {
		var did bool
		if bindings, did = withMember(bindings, roles[access], member, access == a); did {
			changed = true
		}
	}
	if !changed {
		return false, nil
	}
	if doc["bindings"], err = json.Marshal(bindings); err != nil {
		return false, err
	}
	return true, p.write(ctx, doc)
}

// binding is a role and who has it. One with a condition is somebody's own: it is
// kept as it is.
type binding struct {
	Role      string          `json:"role"`
	Members   []string        `json:"members"`
	Condition json.RawMessage `json:"condition,omitempty"`
}

// withMember returns the bindings with the member in that role, or not in it, and
// whether that is a change.
func withMember(all []binding, role, member string, in bool) ([]binding, bool) {
	for i := range all {
		b := &all[i]
		if b.Role != role || b.Condition != nil {
			continue
		}
		switch at := slices.Index(b.Members, member); {
		case in == (at >= 0):
			return all, false
		case in:
			b.Members = append(b.Members, member)
			return all, true
		case len(b.Members) == 1:
			return slices.Delete(all, i, i+1), true
		default:
			b.Members = slices.Delete(b.Members, at, at+1)
			return all, true
		}
	}
	if in {
		return append(all, binding{Role: role, Members: []string{member}}), true
	}
	return all, false
}

// policy is a bucket's, behind the JSON API
// (https://cloud.google.com/storage/docs/json_api/v1/buckets/getIamPolicy).
type policy struct {
	rt  http.RoundTripper
	url string
}

// read returns the whole document, whose etag guards against lost edits, and its
// bindings. Version 3 is the one that has conditions: in an older one they would
// be lost.
func (p policy) read(ctx context.Context) (map[string]json.RawMessage, []binding, error) {
	var doc map[string]json.RawMessage
	if err := p.do(ctx, http.MethodGet, p.url+"?optionsRequestedPolicyVersion=3", nil, &doc); err != nil {
		return nil, nil, err
	}
	var bindings []binding
	if raw := doc["bindings"]; raw != nil {
		if err := json.Unmarshal(raw, &bindings); err != nil {
			return nil, nil, errPolicy
		}
	}
	return doc, bindings, nil
}

func (p policy) write(ctx context.Context, doc map[string]json.RawMessage) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return p.do(ctx, http.MethodPut, p.url, body, nil)
}

var errPolicy = errors.New("the answer of Google is no policy of a bucket")

func (p policy) do(ctx context.Context, method, to string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := p.rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	switch {
	case res.StatusCode/100 != 2:
		return &StatusError{res.StatusCode}
	case err != nil:
		return err
	case into != nil && json.Unmarshal(answer, into) != nil:
		return errPolicy
	}
	return nil
}
