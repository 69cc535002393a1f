package sign_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign"
)

// aws is an account with the keys of AWS's examples and further fields.
func aws(fields ...string) *sign.Input {
	in := input(append([]string{"access_key_id", "AKIAIOSFODNN7EXAMPLE", "secret_access_key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, fields...)...)
	in.Now = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	return in
}

func awsRequest(t testing.TB, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	r := request(t, method, "/", body, headers...)
	u, err := r.URL.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	r.URL, r.Host = u, u.Host
	return r
}

func TestSigV4Scope(t *testing.T) {
	const hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" // of "Welcome to Amazon S3."
	dummy := "Authorization: AWS4-HMAC-SHA256 Credential=DUMMY/20240101/eu-west-3/s3/aws4_request, SignedHeaders=host;x-amz-date;x-own, Signature=0"
	tests := []struct {
		name, sign, url string
		headers, fields []string
		want            []string // in Authorization
		not             []string
	}{
		{"from the host", "sigv4", "https://dynamodb.eu-west-1.amazonaws.com/", nil, nil,
			[]string{"Credential=AKIAIOSFODNN7EXAMPLE/20130524/eu-west-1/dynamodb/aws4_request", "SignedHeaders=host;x-amz-date,"}, nil},
		{"the account's region where the host has none", "sigv4", "https://bucket.s3.amazonaws.com/", nil, []string{"region", "eu-central-1"},
			[]string{"/eu-central-1/s3/", "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"}, nil},
		{"the account's service", "sigv4", "https://example.amazonaws.com/", nil, []string{"region", "us-east-1", "service", "service"},
			[]string{"/us-east-1/service/"}, nil},
		{"the account's service, as the SDK says", "sigv4", "https://new-runtime.us-east-1.amazonaws.com/", []string{strings.Replace(dummy, "/s3/", "/new/", 1)}, []string{"service", "new"},
			[]string{"/us-east-1/new/"}, nil},
		{"another vendor's SDK", `{sigv4: {scheme: google, service: storage, region: auto}}`, "https://storage.googleapis.com/b/o", []string{dummy}, nil, []string{"/auto/storage/"}, nil},
		{"what the SDK signed", "sigv4", "https://minio.example:9000/", []string{dummy, "X-Own: 1", "X-Other: 1"}, nil,
			[]string{"/eu-west-3/s3/", "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-own,"}, []string{"DUMMY", "x-other"}},
		{"an empty choice of the SDK's", "sigv4", "https://s3.us-east-1.amazonaws.com/", []string{"Authorization: AWS4-HMAC-SHA256 Credential=D/1/1/1/1, SignedHeaders=, Signature=", "X-Own: 1"}, nil,
			[]string{"SignedHeaders=host;x-amz-content-sha256;x-amz-date,"}, nil},
		{"a session token", "sigv4", "https://s3.us-east-1.amazonaws.com/", []string{"X-Amz-Security-Token: agents"}, []string{"session_token", "ses"},
			[]string{";x-amz-security-token,"}, nil},
		{"parameters", `{sigv4: {service: s3, region: auto, access_key_id: "{fields.id}", secret_access_key: "{fields.secret_access_key}"}}`, "https://acc.r2.cloudflarestorage.com/b", nil, []string{"id", "ID"},
			[]string{"Credential=ID/20130524/auto/s3/"}, nil},
		{"Google's", `{sigv4: {scheme: google, service: storage, region: auto}}`, "https://storage.googleapis.com/b/o", nil, nil,
			[]string{"GOOG4-HMAC-SHA256 Credential=", "/auto/storage/goog4_request", "SignedHeaders=host;x-goog-content-sha256;x-goog-date,"}, nil},
		{"4A for any region", "sigv4", "https://m.mrap.accesspoint.s3-global.amazonaws.com/k", nil, nil,
			[]string{"AWS4-ECDSA-P256-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/s3/aws4_request", "x-amz-region-set"}, nil},
		{"4A as the SDK did", "sigv4", "https://events.us-east-1.amazonaws.com/", []string{strings.Replace(dummy, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", 1)}, nil,
			[]string{"AWS4-ECDSA-P256-SHA256 Credential="}, nil},
		{"hop headers", "sigv4", "https://s3.us-east-1.amazonaws.com:443/", []string{"Connection: x", "User-Agent: x", "Accept-Encoding: gzip", "Via: x", "X-Forwarded-For: x", "Range: bytes=0-1"}, nil,
			[]string{"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"}, nil},
		{"a hash from the agent", "sigv4", "https://s3.us-east-1.amazonaws.com/", []string{"X-Amz-Content-Sha256: " + hash}, nil, []string{"x-amz-content-sha256"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustSigner(t, tt.sign)
			r := awsRequest(t, "GET", tt.url, "", tt.headers...)
			in := aws(tt.fields...)
			in.Agent = r.Header.Clone()
			sign.Strip(r, s.Places())
			if err := s.Sign(r, in); err != nil {
				t.Fatal(err)
			}
			got := r.Header.Get("Authorization")
			for _, w := range tt.want {
				if !strings.Contains(got, w) {
					t.Errorf("Authorization = %s, want %s in it", got, w)
				}
			}
			for _, w := range tt.not {
				if strings.Contains(got, w) {
					t.Errorf("Authorization = %s, want no %s in it", got, w)
				}
			}
			if tok := r.Header.Get("X-Amz-Security-Token"); tok == "agents" {
				t.Errorf("the agent's session token is still there")
			}
			if r.Host != strings.TrimSuffix(r.URL.Host, ":443") {
				t.Errorf("Host = %s, want it without a default port", r.Host)
			}
		})
	}
}

func TestSigV4Refuses(t *testing.T) {
	const dummy = "Authorization: AWS4-HMAC-SHA256 Credential=DUMMY/20240101/us-east-1/iam/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"
	tests := []struct {
		name, url       string
		headers, fields []string
		want            string
	}{
		{"another region", "https://sqs.eu-west-1.amazonaws.com/", nil, []string{"region", "us-east-1"}, "for region us-east-1 only, and sqs.eu-west-1.amazonaws.com is in eu-west-1"},
		{"another service", "https://dynamodb.eu-west-1.amazonaws.com/", nil, []string{"service", "s3"}, "for service s3 only, and dynamodb.eu-west-1.amazonaws.com is of service dynamodb"},
		{"another service, signed", "https://iam.amazonaws.com/", []string{dummy}, []string{"service", "s3"}, "for service s3 only, and the request was signed for iam"},
		{"unknown host", "https://minio.example/", nil, nil, "set the account's service"},
		{"no region", "https://minio.example/", nil, []string{"service", "s3"}, "set the account's region"},
		{"a bad hash", "https://s3.amazonaws.com/", []string{"X-Amz-Content-Sha256: nonsense"}, nil, "want the SHA-256"},
		{"no expiry", "https://s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=D%2F1%2Fus-east-1%2Fs3%2Faws4_request", nil, nil, "X-Amz-Expires"},
		{"control character", "https://s3.amazonaws.com/", nil, []string{"session_token", "a\r\nb"}, "control character"},
	}
	for _, tt := range tests {
		in, r := aws(tt.fields...), awsRequest(t, "GET", tt.url, "", tt.headers...)
		in.Agent = r.Header.Clone()
		err := mustSigner(t, "sigv4").Sign(r, in)
		if e, ok := errors.AsType[*sign.Error](err); !ok || e.Status != 400 || !strings.Contains(e.Msg, tt.want) {
			t.Errorf("%s: Sign = %v, want *sign.Error with %s", tt.name, err, tt.want)
		}
	}
	err := mustSigner(t, "sigv4").Sign(awsRequest(t, "GET", "https://s3.amazonaws.com/", ""), input("access_key_id", "x"))
	if m, ok := errors.AsType[*expr.MissingError](err); !ok || m.Ref != "fields.secret_access_key" {
		t.Errorf("Sign without a secret = %v, want MissingError", err)
	}
}

func TestSigV4New(t *testing.T) {
	for src, want := range map[string]string{
		`{sigv4: {scheme: azure}}`:                      "want one of aws, google",
		`{sigv4: {path: thrice}}`:                       "want once or twice",
		`{sigv4: {presigned: maybe}}`:                   "want resign or keep",
		`{sigv4: {regoin: x}}`:                          `unknown key "regoin"`,
		`{sigv4: {region: "{fields.nope}"}}`:            "no such field",
		`{sigv4: {access_key_id: "{fields.key"}}`:       "want } to close",
		"[bearer, {sigv4: {secret_access_key: \"{\"}}]": "line 1",
	} {
		if _, err := compile(src, sign.Env{Fields: []string{"access_key_id", "secret_access_key"}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%s) = %v, want %s", src, err, want)
		}
	}
	// An account without the fields for session, service and region will do.
	if _, err := compile("sigv4", sign.Env{Fields: []string{"access_key_id", "secret_access_key"}}); err != nil {
		t.Errorf("New(sigv4) = %v", err)
	}
}

func TestSigV4Body(t *testing.T) {
	s := mustSigner(t, "sigv4")
	hash := "X-Amz-Content-Sha256: " + strings.Repeat("0a", 32)
	for _, tt := range []struct {
		url, body string
		headers   []string
		want      bool
	}{
		{"https://dynamodb.us-east-1.amazonaws.com/", "{}", nil, true},
		{"https://dynamodb.us-east-1.amazonaws.com/", "", nil, false},
		{"https://dynamodb.us-east-1.amazonaws.com/", "{}", []string{hash}, false},
		{"https://b.s3.us-east-1.amazonaws.com/k", "data", nil, false},
		{"https://b.s3.us-east-1.amazonaws.com/k", "data", []string{"X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, false},
		{"https://minio.example/", "data", nil, true},
	} {
		if got := sign.NeedsBody(s, awsRequest(t, "PUT", tt.url, tt.body, tt.headers...)); got != tt.want {
			t.Errorf("NeedsBody(%s, %q, %v) = %t", tt.url, tt.body, tt.headers, got)
		}
	}
	r, in := awsRequest(t, "POST", "https://dynamodb.us-east-1.amazonaws.com/", "{}", "Content-Length: 2", "Content-Type: application/x-amz-json-1.0", "X-Amz-Target: DynamoDB_20120810.ListTables"), aws()
	in.Body = expr.Bytes("{}")
	if err := s.Sign(r, in); err != nil || !strings.Contains(r.Header.Get("Authorization"), "SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-target,") {
		t.Errorf("Sign = %v, %s", err, r.Header.Get("Authorization"))
	}
	if r.Header.Get("X-Amz-Content-Sha256") != "" {
		t.Errorf("DynamoDB got a hash that it does not ask for")
	}
	r = awsRequest(t, "PUT", "https://b.s3.us-east-1.amazonaws.com/k", "data")
	if err := s.Sign(r, aws()); err != nil || r.Header.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" {
		t.Errorf("Sign of a plain upload = %v, hash %s", err, r.Header.Get("X-Amz-Content-Sha256"))
	}
	in = aws()
	if err := s.Sign(awsRequest(t, "PUT", "https://sqs.us-east-1.amazonaws.com/k", "data"), in); err == nil {
		t.Errorf("Sign without the body that it needs succeeds")
	}
}

func TestSigV4Stream(t *testing.T) {
	sig := strings.Repeat("0", 64)
	body := "3;chunk-signature=" + sig + "\r\nabc\r\n0;chunk-signature=" + sig + "\r\n\r\n"
	r := awsRequest(t, "PUT", "https://b.s3.us-east-1.amazonaws.com/k", body, "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "X-Amz-Decoded-Content-Length: 3")
	if err := mustSigner(t, "sigv4").Sign(r, aws()); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r.Body)
	if err != nil || len(got) != len(body) || strings.Contains(string(got), sig) || r.ContentLength != int64(len(body)) {
		t.Errorf("the body is %q, %v", got, err)
	}
	// Signatures of the two algorithms differ in length.
	r = awsRequest(t, "PUT", "https://b.s3.us-east-1.amazonaws.com/k", body, "X-Amz-Content-Sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")
	if err := mustSigner(t, "sigv4").Sign(r, aws()); err == nil || !strings.Contains(err.Error(), "another signature algorithm") {
		t.Errorf("Sign of a body framed for 4A = %v", err)
	}
}

func TestSigV4Presigned(t *testing.T) {
	const dummy = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=D%2F20240101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20240101T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Security-Token=d&X-Amz-Signature=0"
	r := awsRequest(t, "GET", "https://examplebucket.s3.amazonaws.com/test.txt"+dummy, "")
	if err := mustSigner(t, "sigv4").Sign(r, aws()); err != nil {
		t.Fatal(err)
	}
	if want := "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"; r.URL.Query().Get("X-Amz-Signature") != want || r.Header.Get("Authorization") != "" {
		t.Errorf("the query is %s, want the signature %s of AWS's example", r.URL.RawQuery, want)
	}
	r = awsRequest(t, "GET", "https://examplebucket.s3.amazonaws.com/test.txt"+dummy, "")
	if err := mustSigner(t, `{sigv4: {presigned: keep}}`).Sign(r, aws()); err != nil || "?"+r.URL.RawQuery != dummy {
		t.Errorf("Sign with presigned: keep = %v, %s", err, r.URL.RawQuery)
	}
}

func TestClockSkew(t *testing.T) {
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		status int
		ahead  time.Duration
		want   bool
	}{{403, 14 * time.Minute, true}, {400, -10 * time.Minute, true}, {403, 16 * time.Minute, false}, {403, -24 * time.Hour, false}, {403, time.Minute, false}, {200, 10 * time.Minute, false}, {500, 10 * time.Minute, false}} {
		s, in := mustSigner(t, "sigv4"), aws()
		in.Now, in.Memory, in.Request = now, new(sign.Memory), awsRequest(t, "GET", "https://s3.amazonaws.com/", "")
		res := &http.Response{StatusCode: tt.status, Header: http.Header{"Date": {now.Add(tt.ahead).Format(http.TimeFormat)}}}
		if got := sign.Again(s, in, res); got != tt.want {
			t.Errorf("Again(%d, clock %v ahead) = %t, want %t", tt.status, tt.ahead, got, tt.want)
		}
		r := awsRequest(t, "GET", "https://s3.amazonaws.com/", "")
		if err := s.Sign(r, in); err != nil {
			t.Fatal(err)
		}
		want := now
		if tt.want {
			want = now.Add(tt.ahead)
		}
		if got := r.Header.Get("X-Amz-Date"); got != want.Format("20060102T150405Z") {
			t.Errorf("X-Amz-Date after a clock %v ahead = %s, want %s", tt.ahead, got, want)
		}
		if sign.Again(s, in, res) {
			t.Errorf("Again with the clock corrected = true")
		}
	}
	if s := mustSigner(t, "sigv4"); sign.Again(s, remembering(t), &http.Response{StatusCode: 403}) || sign.Again(mustSigner(t, "bearer"), aws(), &http.Response{StatusCode: 401}) {
		t.Errorf("Again without a date, or of a bearer token, = true")
	}
}

// remembering is aws for an account that can learn.
func remembering(t *testing.T) *sign.Input {
	in := aws()
	in.Memory, in.Request = new(sign.Memory), awsRequest(t, "GET", "https://s3.amazonaws.com/", "")
	return in
}

// TestClockIsOneServices: what a service says of its clock holds for one account
// at that host, heals by itself, and is bounded however many hosts say something.
func TestClockIsOneServices(t *testing.T) {
	s, now := mustSigner(t, "sigv4"), time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	refused := &http.Response{StatusCode: 403, Header: http.Header{"Date": {now.Add(10 * time.Minute).Format(http.TimeFormat)}}}
	mine, theirs := new(sign.Memory), new(sign.Memory)
	on := func(m *sign.Memory, host string, at time.Time) *sign.Input {
		in := aws()
		in.Now, in.Memory, in.Request = at, m, awsRequest(t, "GET", "https://"+host+"/", "")
		return in
	}
	if !sign.Again(s, on(mine, "s3.us-east-1.amazonaws.com", now), refused) {
		t.Fatal("Again after a clock ten minutes ahead = false")
	}
	for _, tt := range []struct {
		what   string
		memory *sign.Memory
		host   string
		at     time.Time
		ahead  time.Duration
	}{
		{"the account at that host", mine, "s3.us-east-1.amazonaws.com", now, 10 * time.Minute},
		{"another host", mine, "s3.eu-west-1.amazonaws.com", now, 0},
		{"another account", theirs, "s3.us-east-1.amazonaws.com", now, 0},
		{"a signature that is given out", nil, "s3.us-east-1.amazonaws.com", now, 0},
		{"two hours later", mine, "s3.us-east-1.amazonaws.com", now.Add(2 * time.Hour), 0},
	} {
		in := on(tt.memory, tt.host, tt.at)
		if err := s.Sign(in.Request, in); err != nil {
			t.Fatal(err)
		}
		if got, want := in.Request.Header.Get("X-Amz-Date"), tt.at.Add(tt.ahead).Format("20060102T150405Z"); got != want {
			t.Errorf("%s: X-Amz-Date = %s, want %s", tt.what, got, want)
		}
	}
	for i := range 10_000 {
		sign.Again(s, on(mine, fmt.Sprintf("b%d.s3.us-east-1.amazonaws.com", i), now), refused)
	}
	if n := mine.Hosts(); n > 64 {
		t.Errorf("an account remembers %d hosts, want at most 64", n)
	}
}

// A body that is framed wrongly is the agent's mistake, and is told as one.
func TestSigV4BadStream(t *testing.T) {
	r := awsRequest(t, "PUT", "https://b.s3.us-east-1.amazonaws.com/k", "x\r\n", "X-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER")
	if err := mustSigner(t, "sigv4").Sign(r, aws()); err != nil {
		t.Fatal(err)
	}
	_, err := io.ReadAll(r.Body)
	if e, ok := errors.AsType[*sign.Error](err); !ok || e.Status != 400 || !strings.Contains(e.Msg, "hexadecimal") {
		t.Errorf("reading the body = %v, want *sign.Error", err)
	}
}

func BenchmarkSigV4(b *testing.B) {
	s := mustSigner(b, "sigv4")
	r := awsRequest(b, "POST", "https://dynamodb.us-east-1.amazonaws.com/", "{}", "Content-Type: application/x-amz-json-1.0", "X-Amz-Target: x", "User-Agent: x")
	in := aws()
	in.Body = expr.Bytes(make([]byte, 1024))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Sign(r, in); err != nil {
			b.Fatal(err)
		}
	}
}
