package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"cloud.google.com/go/iam"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
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
var roles = map[Access]iam.RoleName{Read: "roles/storage.objectViewer", Write: "roles/storage.objectUser"}

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
	c, err := storage.NewClient(ctx, option.WithHTTPClient(&http.Client{Transport: rt}), storage.WithDisabledClientMetrics())
	if err != nil {
		return false, err
	}
	defer c.Close()
	h := c.Bucket(bucket).Retryer(storage.WithMaxAttempts(2)).IAM()
	p, err := h.Policy(ctx)
	if err != nil {
		return false, refused(err)
	}
	member := "serviceAccount:" + account
	for access, role := range roles {
		switch has := p.HasRole(member, role); {
		case access == a && !has:
			p.Add(member, role)
			changed = true
		case access != a && has:
			p.Remove(member, role)
			changed = true
		}
	}
	if !changed {
		return false, nil
	}
	return true, refused(h.SetPolicy(ctx, p))
}

func refused(err error) error {
	var e *googleapi.Error
	if errors.As(err, &e) {
		return &StatusError{e.Code}
	}
	return err
}
