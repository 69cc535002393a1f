package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/secret"
)

// Names of the fields of an AWS credential, in accounts and in what aws_iam makes.
const (
	awsKeyID        = "access_key_id"
	awsSecretKey    = "secret_access_key"
	awsSessionToken = "session_token"
)

// stsVersion is the one version of the STS API.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const stsVersion = "2011-06-15"

// awsIAM is an AWSSpec, compiled.
type awsIAM struct {
	region, role, session, externalID, policy, identity *expr.Template
	tags                                                map[string]*expr.Template
	duration                                            time.Duration
	sts                                                 *step
}

func compileAWS(c *Config) error {
	s, a := c.spec.AWS, &awsIAM{duration: time.Duration(c.spec.AWS.Duration)}
	for _, t := range []struct {
		key, src string
		to       **expr.Template
	}{
		{"region", or(s.Region, "us-east-1"), &a.region}, {"role_arn", s.RoleARN, &a.role}, {"session_name", s.SessionName, &a.session},
		{"external_id", s.ExternalID, &a.externalID}, {"policy", s.Policy, &a.policy}, {"web_identity_token", s.WebIdentityToken, &a.identity},
	} {
		if t.src == "" {
			continue
		}
		compiled, err := c.compiler.template(t.src)
		if err != nil {
			return fmt.Errorf("aws.%s: %w", t.key, err)
		}
		*t.to = compiled
	}
	if a.identity != nil && a.role == nil {
		return errors.New("aws.web_identity_token needs aws.role_arn")
	}
	if a.duration != 0 && (a.duration < 15*time.Minute || a.duration > 12*time.Hour) {
		return errors.New("aws.duration must be from 15m to 12h")
	}
	var err error
	if a.tags, err = c.compiler.named("aws.tags", s.Tags); err != nil {
		return err
	}
	a.sts, err = c.compiler.step("aws", StepSpec{
		URL: or(s.Endpoint, "https://sts."+or(s.Region, "us-east-1")+".amazonaws.com/"), Auth: "off",
		Response: ResponseSpec{Format: "xml", Error: "ErrorResponse.Error.Code", ErrorDescription: "ErrorResponse.Error.Message"},
	})
	c.aws = a
	return err
}

// awsCredential makes keys for SigV4: the account's own, or those of a role
// assumed with them, with a web identity or with the machine's own identity.
func awsCredential(ctx context.Context, r *run) (*Token, error) {
	a := r.c.aws
	region, err := a.region.Eval(&r.vars)
	if err != nil || !hostValue.MatchString(region) {
		return nil, errors.New("aws.region is not the name of a region")
	}
	if a.identity != nil {
		return r.assumeRole(ctx, region, nil)
	}
	t, err := r.awsBase(ctx, region)
	if err != nil || a.role == nil {
		return t, err
	}
	return r.assumeRole(ctx, region, t.Credential.Fields)
}

// awsBase are the keys that the account has, or the machine.
func (r *run) awsBase(ctx context.Context, region string) (*Token, error) {
	t := &Token{}
	t.Credential.Fields = secret.Values{}
	for _, name := range []string{awsKeyID, awsSecretKey, awsSessionToken} {
		if v := r.Fields.Get(name); !v.IsZero() {
			t.Credential.Fields[name] = v
		}
	}
	switch {
	case !r.Fields.Get(awsKeyID).IsZero() && !r.Fields.Get(awsSecretKey).IsZero():
		return t, nil
	case len(t.Credential.Fields) > 0:
		return nil, errors.New("the account has one of access_key_id and secret_access_key but not the other")
	case r.Ambient == nil:
		return nil, errors.New("the account has no access_key_id; the machine's own identity is only for accounts in the operator's configuration")
	}
	fields, expiry, err := r.Ambient.AWS(ctx, region)
	if err != nil {
		return nil, fmt.Errorf("the machine's own AWS identity: %w", err)
	}
	t.Credential.Fields, t.Credential.Expiry = fields, expiry
	return t, nil
}

// assumeRole asks STS. Without base keys it is AssumeRoleWithWebIdentity, which
// is not signed.
func (r *run) assumeRole(ctx context.Context, region string, base secret.Values) (*Token, error) {
	a, action := r.c.aws, "AssumeRole"
	if base == nil {
		action = "AssumeRoleWithWebIdentity"
	}
	std, err := r.roleParams(action)
	if err != nil {
		return nil, err
	}
	sts := *a.sts
	if base != nil {
		maps.Copy(r.vars.Cred.Fields, base) // so that no error can show them
		sts.finish = func(req *http.Request) error { return signSTS(ctx, req, base, region, r.now) }
	}
	answer, err := sts.exchange(ctx, r, std)
	if err != nil {
		return nil, err
	}
	return readRole(answer, action, r.now)
}

func (r *run) roleParams(action string) ([]param, error) {
	a := r.c.aws
	std := []param{{"Action", action}, {"Version", stsVersion}}
	add := func(name, key string, t *expr.Template) error {
		if t == nil {
			return nil
		}
		value, err := t.Eval(&r.vars)
		var missing *expr.MissingError
		if err == nil && value == "" || errors.As(err, &missing) && optionalAWS[key] {
			return nil
		}
		if err != nil {
			return fmt.Errorf("aws.%s: %w", key, err)
		}
		std = append(std, param{name, value})
		return nil
	}
	session, err := r.sessionName()
	if err != nil {
		return nil, err
	}
	std = append(std, param{"RoleSessionName", session})
	err = errors.Join(add("RoleArn", "role_arn", a.role), add("ExternalId", "external_id", a.externalID),
		add("Policy", "policy", a.policy), add("WebIdentityToken", "web_identity_token", a.identity))
	if err != nil {
		return nil, err
	}
	if a.duration != 0 {
		std = append(std, param{"DurationSeconds", strconv.Itoa(int(a.duration.Seconds()))})
	}
	for i, name := range slices.Sorted(maps.Keys(a.tags)) {
		prefix := fmt.Sprintf("Tags.member.%d.", i+1)
		std = append(std, param{prefix + "Key", name})
		if err := add(prefix+"Value", "tags."+name, a.tags[name]); err != nil {
			return nil, err
		}
	}
	return std, nil
}

// optionalAWS are the values that an account may leave out, where the connector
// has them as {fields.…}.
var optionalAWS = map[string]bool{"external_id": true, "policy": true}

var notInSessionName = regexp.MustCompile(`[^A-Za-z0-9_+=,.@-]+`)

// sessionName follows the rules of RoleSessionName: 2 to 64 characters out of a
// small set. It shows in CloudTrail, so it is the account's name by default.
func (r *run) sessionName() (string, error) {
	name, err := evalOr(r.c.aws.session, &r.vars, "")
	var missing *expr.MissingError
	if err != nil && !errors.As(err, &missing) {
		return "", fmt.Errorf("aws.session_name: %w", err)
	}
	name = notInSessionName.ReplaceAllString(or(or(name, r.Account["name"]), "attache"), "-")
	if len(name) < 2 {
		name = "attache-" + name
	}
	return name[:min(len(name), 64)], nil
}

// signSTS signs with SigV4. The body is small and in memory.
func signSTS(ctx context.Context, req *http.Request, keys secret.Values, region string, now time.Time) error {
	body, err := req.GetBody()
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, body); err != nil {
		return err
	}
	return v4.NewSigner().SignHTTP(ctx, aws.Credentials{
		AccessKeyID:     keys.Get(awsKeyID).Reveal(),
		SecretAccessKey: keys.Get(awsSecretKey).Reveal(),
		SessionToken:    keys.Get(awsSessionToken).Reveal(),
	}, req, hex.EncodeToString(sum.Sum(nil)), "sts", region, now)
}

// readRole takes the keys out of STS's answer.
func readRole(a *answer, action string, now time.Time) (*Token, error) {
	prefix := action + "Response." + action + "Result.Credentials."
	p, err := compileResponse("aws", ResponseSpec{
		ExpiresAt: prefix + "Expiration",
		Fields: map[string]string{
			awsKeyID: prefix + "AccessKeyId", awsSecretKey: prefix + "SecretAccessKey", awsSessionToken: prefix + "SessionToken",
		},
		Capture: map[string]string{"role": strings.Replace(prefix, ".Credentials.", ".AssumedRoleUser.", 1) + "Arn"},
	})
	if err != nil {
		return nil, err
	}
	t := &Token{}
	if err := p.keep(a, t); err != nil {
		return nil, err
	}
	if t.Credential.Expiry, err = p.expiry(a, now); err != nil || t.Credential.Expiry.IsZero() {
		return nil, a.refuse("the keys have no expiry that can be read")
	}
	return t, nil
}
