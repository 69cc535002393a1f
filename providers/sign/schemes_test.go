package sign_test

import (
	"strings"
	"testing"
	"time"

	"github.com/attache-proxy/attache/providers/expr"
)

// TestSchemes holds published values of schemes that need no connector of their
// own in the catalogue: each is a few lines of YAML.
func TestSchemes(t *testing.T) {
	const hawk = `
let:
  hash: 'size(request.body) > 0 ? base64(sha256("hawk.1.payload\n" + request.content_type + "\n" + request.body + "\n")) : ""'
  ts: string(now.unix())
  ext: '"some-app-ext-data"'
  port: 'request.host.contains(":") ? request.host.split(":")[1] : request.scheme == "https" ? "443" : "80"'
  text: '["hawk.1.header", ts, nonce, request.method, request.target, lower(request.hostname), port, hash, ext, ""].join("\n")'
header:
  Authorization: 'Hawk id="{fields.id}", ts="{ts}", nonce="{nonce}", {hash == "" ? "" : "hash=\"" + hash + "\", "}ext="{ext}", mac="{base64(hmac_sha256(fields.key, text))}"'
`
	hawkFields := []string{"id", "dh37fgj492je", "key", "werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn"}
	const rfc9421 = `
let:
  date: request.header("date")
  params: '"(\"date\" \"@authority\" \"content-type\");created=" + string(now.unix()) + ";keyid=\"test-shared-secret\""'
  base: '["\"date\": " + date, "\"@authority\": " + lower(request.host), "\"content-type\": " + request.header("content-type"), "\"@signature-params\": " + params].join("\n")'
header:
  Signature-Input: "sig-b25={params}"
  Signature: "sig-b25=:{base64(hmac_sha256(unbase64(fields.key), base))}:"
`
	const ed9421 = `
let:
  names: '["\"date\"", "\"@method\"", "\"@path\"", "\"@authority\"", "\"content-type\"", "\"content-length\""]'
  params: '"(" + names.join(" ") + ");created=" + string(now.unix()) + ";keyid=\"test-key-ed25519\""'
  values: '[request.header("date"), request.method, request.path, lower(request.host), request.header("content-type"), request.header("content-length")]'
  base: '[names[0] + ": " + values[0], names[1] + ": " + values[1], names[2] + ": " + values[2], names[3] + ": " + values[3], names[4] + ": " + values[4], names[5] + ": " + values[5], "\"@signature-params\": " + params].join("\n")'
header:
  Signature-Input: "sig-b26={params}"
  Signature: "sig-b26=:{base64(ed25519(fields.key, base))}:"
`
	const s3v2 = `
let:
  own: 'request.canonical_headers(request.header_names().filter(n, n.startsWith("x-amz-")))'
  bucket: 'request.hostname.split(".")[0]'
  text: '[request.method, request.header("content-md5"), request.header("content-type"), request.header("date"), own].join("\n") + "/" + bucket + request.path'
header: {Authorization: "AWS {fields.id}:{base64(hmac_sha1(fields.secret, text))}"}
`
	const awsV2 = `
- query: {AWSAccessKeyId: "{fields.id}", SignatureMethod: HmacSHA256, SignatureVersion: "2", Timestamp: '{now.format("%Y-%m-%dT%H:%M:%S")}'}
- query: {Signature: '{base64(hmac_sha256(fields.secret, [request.method, lower(request.host), request.path, canonical_query(request.query)].join("\n")))}'}
`
	awsFields := []string{"id", "AKIAIOSFODNN7EXAMPLE", "secret", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	tests := []struct {
		name, sign, method, url, body string
		headers, fields               []string
		at                            string
		nonce, want                   string
	}{
		{"Hawk, README", hawk, "GET", "http://example.com:8000/resource/1?b=1&a=2", "", nil, hawkFields, "2012-11-25T08:30:34Z", "j4h3g2",
			`mac="6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE="`},
		{"Hawk, README, with the payload", hawk, "POST", "http://example.com:8000/resource/1?b=1&a=2", "Thank you for flying Hawk", []string{"Content-Type: text/plain"}, hawkFields, "2012-11-25T08:30:34Z", "j4h3g2",
			`hash="Yi9LfIIFRtBEPt74PVmbTF/xVAwPn7ub15ePICfgnuY=", ext="some-app-ext-data", mac="aSe1DERmZuRl3pI36/9BdZmnErTw3sNzOOAUlfeKjVw="`},
		{"WSSE, the Atom API", `{let: {created: now.iso()}, header: {X-WSSE: 'UsernameToken Username="{fields.user}", PasswordDigest="{base64(sha1(nonce + created + fields.password))}", Nonce="{nonce}", Created="{created}"'}}`,
			"GET", "https://bob.example.com/atom", "", nil, []string{"user", "bob", "password", "taadtaadpstcsm"}, "2003-12-15T14:43:07Z", "d36e316282959a9ed4c89851497a717f",
			`PasswordDigest="quR/EWLAV4xLf9Zqyw4pDmfV9OY="`},
		{"RFC 9421 B.2.5", rfc9421, "POST", "https://example.com/foo", `{"hello": "world"}`, []string{"Date: Tue, 20 Apr 2021 02:07:55 GMT", "Content-Type: application/json"},
			[]string{"key", "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="}, "2021-04-20T02:07:53Z", "",
			"sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"},
		{"RFC 9421 B.2.6", ed9421, "POST", "https://example.com/foo", `{"hello": "world"}`, []string{"Date: Tue, 20 Apr 2021 02:07:55 GMT", "Content-Type: application/json"},
			[]string{"key", "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF"}, "2021-04-20T02:07:53Z", "",
			"sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"},
		{"S3 V2, RESTAuthentication", s3v2, "GET", "https://awsexamplebucket1.us-west-1.s3.amazonaws.com/photos/puppy.jpg", "", []string{"Date: Tue, 27 Mar 2007 19:36:42 +0000"}, awsFields, "2007-03-27T19:36:42Z", "",
			"AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g="},
		{"AWS V2, Elastic MapReduce", awsV2, "GET", "https://elasticmapreduce.amazonaws.com/?Action=DescribeJobFlows&Version=2009-03-31", "", nil, awsFields, "2011-10-03T15:19:30Z", "",
			"Signature=i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf%2FMj6vPxyYIs%3D"},
		{"WeChat Pay v2, MD5", `{header: {X-Sign: '{upper(hex(md5(pairs(request.query).filter(p, p[1] != "").sortBy(p, p[0]).map(p, p[0] + "=" + p[1]).join("&") + "&key=" + fields.key)))}'}}`,
			"GET", "https://api.mch.weixin.qq.com/?body=test&device_info=1000&nonce_str=ibuaiVcKdpRxkhJA&appid=wxd930ea5d5a258f4f&mch_id=10000100&empty=", "", nil, []string{"key", "192006250b4c09247ec02edce69f6a2d"}, "2000-01-01T00:00:00Z", "",
			"9A0A8659F005D6984697E2CA0A9CF3B7"},
		{"Deribit, client_signature", `{let: {ts: string(now.unix_ms())}, json: {params.signature: '{hex(hmac_sha256(fields.secret, ts + "\n" + nonce + "\n" + ""))}'}}`,
			"POST", "https://www.deribit.com/api/v2/public/auth", `{"params":{}}`, []string{"Content-Type: application/json"}, []string{"secret", "AMANDASECRECT"}, "2019-12-11T14:25:19Z", "1iqt2wls",
			"56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1"},
		{"Qiniu, upload token", `{let: {policy: 'base64url_padded("{\"scope\":\"my-bucket:sunflower.jpg\",\"deadline\":1451491200,\"returnBody\":\"{\\\"name\\\":$(fname),\\\"size\\\":$(fsize),\\\"w\\\":$(imageInfo.width),\\\"h\\\":$(imageInfo.height),\\\"hash\\\":$(etag)}\"}")'}, bearer: "{fields.ak}:{base64url_padded(hmac_sha1(fields.sk, policy))}:{policy}"}`,
			"POST", "https://upload.qiniup.com/", "", nil, []string{"ak", "MY_ACCESS_KEY", "sk", "MY_SECRET_KEY"}, "2000-01-01T00:00:00Z", "",
			"MY_ACCESS_KEY:wQ4ofysef1R7IKnrziqtomqyDvI=:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := awsRequest(t, tt.method, tt.url, tt.body, tt.headers...)
			in := input(tt.fields...)
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			in.Now, in.Nonce, in.Body = at, tt.nonce, expr.Bytes(tt.body)
			if err := mustSigner(t, tt.sign).Sign(r, in); err != nil {
				t.Fatal(err)
			}
			if got := dump(t, r); !strings.Contains(got, tt.want) {
				t.Errorf("Sign sends\n%s\nwant in it\n%s", got, tt.want)
			}
		})
	}
}
