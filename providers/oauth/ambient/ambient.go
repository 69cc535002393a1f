// Package ambient finds the identity of the machine that we run on, in the ways
// of the clouds' own SDKs: variables, files, instance metadata. It is a package
// of its own because these SDKs are heavy, and because only what the operator
// configures may use it.
package ambient

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"golang.org/x/oauth2/google"

	"github.com/attache-proxy/attache/providers/secret"
)

// Machine is the machine's identity. The zero Machine is ready to use.
//
// It talks to metadata services, which are link-local, so its requests do not
// pass the guard of other outgoing connections.
type Machine struct{}

// timeout bounds one search: metadata services that do not exist do not answer.
const timeout = 20 * time.Second

// AWS follows the SDK's default chain: environment, shared files, container and
// instance roles, web identity. expiry is zero for keys that do not expire.
func (Machine) AWS(ctx context.Context, region string) (fields secret.Values, expiry time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return nil, time.Time{}, errors.New("the AWS configuration of this machine cannot be read")
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, time.Time{}, errors.New("there are no AWS credentials in the environment, the shared files or the metadata service")
	}
	fields = secret.Values{
		"access_key_id":     secret.New(keys.AccessKeyID),
		"secret_access_key": secret.New(keys.SecretAccessKey),
	}
	if keys.SessionToken != "" {
		fields["session_token"] = secret.New(keys.SessionToken)
	}
	if keys.CanExpire {
		expiry = keys.Expires
	}
	return fields, expiry, nil
}

// Google follows application default credentials
// (https://cloud.google.com/docs/authentication/application-default-credentials).
func (Machine) Google(ctx context.Context, scopes []string) (token secret.Value, expiry time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	creds, err := google.FindDefaultCredentials(ctx, scopes...)
	if err != nil {
		return secret.Value{}, time.Time{}, errors.New("none are set up on this machine; see `gcloud auth application-default login`")
	}
	t, err := creds.TokenSource.Token()
	if err != nil { // its text may hold the answer of the token endpoint
		return secret.Value{}, time.Time{}, errors.New("they were found, but brought no token")
	}
	return secret.New(t.AccessToken), t.Expiry, nil
}
