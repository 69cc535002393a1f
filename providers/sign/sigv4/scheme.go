// Package sigv4 computes AWS Signature Version 4 and its relatives: in headers,
// in the query, over chunked bodies and event streams, and with ECDSA (4A).
//
// Everything is computed from the request as it will be sent. The rules are in
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
// and, for S3, https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// Scheme is what differs between the vendors that took over AWS's design.
type Scheme struct {
	Algorithm string // first line of the string to sign, first word of Authorization
	KeyPrefix string // before the secret, when the key is derived
	End       string // last part of the scope
	// Prefix of the vendor's own headers, lower-case, with the hyphen.
	Prefix string
	// Separator stands between the parts of the Authorization header.
	Separator string
	// HashHeader is always sent, with the hash of the body.
	HashHeader bool
	// SignsLength means that Content-Length is signed where the agent made no
	// choice, as AWS's own SDKs do.
	SignsLength bool
	// Allow lists the only headers that are signed beside the vendor's own;
	// nil means all that do not change on the way.
	Allow []string
}

// Schemes by name.
var Schemes = map[string]Scheme{
	"aws":    {Algorithm: "AWS4-HMAC-SHA256", KeyPrefix: "AWS4", End: "aws4_request", Prefix: "x-amz-", Separator: ", ", SignsLength: true},
	"google": {Algorithm: "GOOG4-HMAC-SHA256", KeyPrefix: "GOOG4", End: "goog4_request", Prefix: "x-goog-", Separator: ", "},
	// JD Cloud: https://docs.jdcloud.com/en/common-declaration/api/signature-process
	"jdcloud": {Algorithm: "JDCLOUD2-HMAC-SHA256", KeyPrefix: "JDCLOUD2", End: "jdcloud2_request", Prefix: "x-jdcloud-", Separator: ", "},
	// Volcengine: https://www.volcengine.com/docs/6369/67269
	"volcengine": {Algorithm: "HMAC-SHA256", End: "request", Prefix: "x-", Separator: ", ", HashHeader: true,
		Allow: []string{"content-type", "content-md5", "host"}},
}

// Title is the prefix as it stands in query parameters: X-Amz-.
func (s Scheme) Title() string { return strings.TrimSuffix(http.CanonicalHeaderKey(s.Prefix+"x"), "X") }

// AlgorithmV4A is the first word of Signature Version 4A.
const AlgorithmV4A = "AWS4-ECDSA-P256-SHA256"

// Values of x-amz-content-sha256 that are no hash.
const (
	Unsigned             = "UNSIGNED-PAYLOAD"
	Streaming            = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingTrailer     = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsigned    = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	StreamingECDSA       = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
	StreamingECDSATrail  = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"
	StreamingEvents      = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
	EmptyHash            = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	dateLayout           = "20060102T150405Z"
	dayLayout            = "20060102"
	maxExpires           = 7 * 24 * 60 * 60 // seconds; AWS refuses more
	signatureLength      = 64               // hex digits of HMAC-SHA256
	signatureLengthECDSA = 144              // hex digits of DER, padded with *
)

// Keys are an access key and, for temporary ones, its session token.
type Keys struct{ ID, Secret, Session string }

// Scope is what a signature is good for. Region is empty for 4A.
type Scope struct {
	Scheme  Scheme
	Region  string
	Service string
	Time    time.Time
}

func (s Scope) date() string { return s.Time.UTC().Format(dateLayout) }

// String is the credential scope: day, region, service and the fixed end.
func (s Scope) String() string {
	day := s.Time.UTC().Format(dayLayout) + "/"
	if s.Region != "" {
		day += s.Region + "/"
	}
	return day + s.Service + "/" + s.Scheme.End
}

// macSigner signs with the key that is derived for one scope.
type macSigner struct{ key []byte }

func (m macSigner) sign(text string) (string, error) {
	return hex.EncodeToString(mac(m.key, text)), nil
}
func (m macSigner) length() int { return signatureLength }

// signer makes the signature of a string to sign, as text.
type signer interface {
	sign(text string) (string, error)
	length() int // of a signature inside a chunk
}

// derive makes the key of a scope.
func derive(k Keys, s Scope) macSigner {
	key := mac([]byte(s.Scheme.KeyPrefix+k.Secret), s.Time.UTC().Format(dayLayout))
	key = mac(key, s.Region)
	key = mac(key, s.Service)
	return macSigner{mac(key, s.Scheme.End)}
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// HashHex is the lower-case hex SHA-256 of b.
func HashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
