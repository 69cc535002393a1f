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
	"sync"
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

// derive makes the key of a scope, or takes the one that was made before: it holds
// for a day, and four of a signature's five MACs are for it.
func derive(k Keys, s Scope) macSigner {
	at := s.Time.UTC()
	of := derivation{secret: sha256.Sum256([]byte(s.Scheme.KeyPrefix + k.Secret)), region: s.Region, service: s.Service, end: s.Scheme.End}
	of.year, of.month, of.day = at.Date()
	if key := derived.get(of); key != nil {
		return macSigner{key}
	}
	key := mac([]byte(s.Scheme.KeyPrefix+k.Secret), at.Format(dayLayout))
	key = mac(key, s.Region)
	key = mac(key, s.Service)
	key = mac(key, s.Scheme.End)
	derived.put(of, key)
	return macSigner{key}
}

// derivation is what a key depends on. The secret itself is kept nowhere.
type derivation struct {
	secret               [sha256.Size]byte
	year                 int
	month                time.Month
	day                  int
	region, service, end string
}

// derived are the keys that were made lately.
var derived derivedKeys

type derivedKeys struct {
	mu sync.RWMutex
	m  map[derivation][]byte
}

// maxDerived bounds them, and maxDerivedName what each is for: agents may choose regions.
const (
	maxDerived     = 1024
	maxDerivedName = 128
)

func (d *derivedKeys) get(of derivation) []byte {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.m[of]
}

func (d *derivedKeys) put(of derivation, key []byte) {
	if len(of.region)+len(of.service) > maxDerivedName {
		return
	}
	of.region, of.service = strings.Clone(of.region), strings.Clone(of.service) // they may be parts of a request
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.m == nil || len(d.m) >= maxDerived {
		d.m = map[derivation][]byte{}
	}
	d.m[of] = key
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
