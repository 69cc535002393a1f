package providers_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"

	"github.com/attache-proxy/attache/providers"
)

// TestConstructedMore goes on from TestConstructedSignatures.
func TestConstructedMore(t *testing.T) {
	const js, form = "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded"
	const date = "Mon, 05 Feb 2024 06:07:08 GMT"
	keys := []string{"api_key", "k", "api_secret", "s"}
	tests := []constructed{
		{"coinbase", "legacy_api_key", "POST", "https://api.coinbase.com/v2/accounts?a=1", "{}", []string{js}, keys,
			[]string{"Cb-Access-Sign: " + hx(mac256("s", unixS+"POST/v2/accounts?a=1{}")), "Cb-Version: 2016-02-18"}},
		{"coincheck", "", "POST", "https://coincheck.com/api/exchange/orders", "a=1", []string{form}, []string{"access_key", "k", "secret_key", "s"},
			[]string{"Access-Signature: " + hx(mac256("s", unixMS+"https://coincheck.com/api/exchange/ordersa=1"))}},
		{"bitflyer", "", "POST", "https://api.bitflyer.com/v1/me/sendchildorder", "{}", []string{js}, keys,
			[]string{"Access-Sign: " + hx(mac256("s", unixMS+"POST/v1/me/sendchildorder{}"))}},
		{"bitso", "", "GET", "https://api.bitso.com/v3/open_orders?book=btc_mxn", "", nil, keys,
			[]string{"Authorization: Bitso k:" + unixMS + ":" + hx(mac256("s", unixMS+"GET/v3/open_orders?book=btc_mxn"))}},
		{"poloniex", "", "GET", "https://api.poloniex.com/orders?symbol=BTC_USDT&limit=5", "", nil, keys,
			[]string{"Signature: " + b64(mac256("s", "GET\n/orders\nlimit=5&signTimestamp="+unixMS+"&symbol=BTC_USDT"))}},
		{"poloniex", "", "POST", "https://api.poloniex.com/orders", "{}", []string{js}, keys,
			[]string{"Signature: " + b64(mac256("s", "POST\n/orders\nrequestBody={}&signTimestamp="+unixMS))}},
		{"coinex", "", "GET", "https://api.coinex.com/v2/spot/pending-order?market=BTCUSDT", "", nil, []string{"access_id", "k", "secret_key", "s"},
			[]string{"X-Coinex-Sign: " + hx(mac256("s", "GET/v2/spot/pending-order?market=BTCUSDT"+unixMS))}},
		{"whitebit", "", "POST", "https://whitebit.com/api/v4/main-account/balance", `{"ticker":"BTC"}`, []string{js}, keys,
			[]string{"X-Txc-Signature: " + hx(macOf(sha512.New, "s", b64([]byte(`{"ticker":"BTC","request":"/api/v4/main-account/balance","nonce":`+unixMS+`}`))))}},
		{"bitbank", "", "GET", "https://api.bitbank.cc/v1/user/assets?a=1", "", nil, keys,
			[]string{"Access-Signature: " + hx(mac256("s", unixMS+"/v1/user/assets?a=1"))}},
		{"bitbank", "", "POST", "https://api.bitbank.cc/v1/user/spot/order", "{}", []string{js}, keys,
			[]string{"Access-Signature: " + hx(mac256("s", unixMS+"{}"))}},
		{"gmo-coin", "", "GET", "https://api.coin.z.com/private/v1/orders?orderId=1", "", nil, keys,
			[]string{"Api-Sign: " + hx(mac256("s", unixMS+"GET/v1/orders"))}},
		{"bingx", "", "GET", "https://open-api.bingx.com/openApi/spot/v1/account/balance?a=%7B1%7D", "", nil, keys,
			[]string{"&signature=" + hx(mac256("s", "a={1}&timestamp="+unixMS))}},
		{"upyun", "", "PUT", "https://v0.api.upyun.com/bucket/a%20b", "x", []string{"Date: " + date, "Content-MD5: abc"}, []string{"operator", "op", "password", "pw"},
			[]string{"Authorization: UPYUN op:" + b64(macOf(sha1.New, md5hex("pw"), "PUT&/bucket/a%20b&"+date+"&abc"))}},
		{"alibaba-oss", "", "PUT", "https://b.oss-cn-hangzhou.aliyuncs.com/k", "x", []string{"x-oss-date: Thu, 01 Jan 1970 00:00:00 GMT"}, []string{"access_key_id", "ak", "access_key_secret", "s"},
			[]string{"Authorization: OSS ak:" + b64(macOf(sha1.New, "s", "PUT\n\n\n"+date+"\nx-oss-date:"+date+"\n/b/k")), "X-Oss-Date: " + date}},
		{"alibaba-cloud", "", "POST", "https://ecs.aliyuncs.com/", "AccessKeyId=dummy&Action=A&Format=JSON&Signature=x", []string{form, "x-acs-action: A"}, []string{"access_key_id", "ak", "access_key_secret", "s"},
			[]string{"\n\nAction=A&Format=JSON", "&Signature=" + url.QueryEscape(b64(macOf(sha1.New, "s&", "POST&%2F&AccessKeyId%3Dak%26Action%3DA%26Format%3DJSON%26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D"+fixed+"%26SignatureVersion%3D1.0%26Timestamp%3D2024-02-05T06%253A07%253A08Z"))) + "\n"}},
		{"huawei-cloud", "", "PUT", "https://obs.cn-north-1.myhuaweicloud.com/k", "x", []string{"X-Sdk-Content-Sha256: UNSIGNED-PAYLOAD", "Authorization: SDK-HMAC-SHA256 Access=x, SignedHeaders=host;x-own;x-sdk-content-sha256;x-sdk-date, Signature=0", "X-Own: 1", "Content-Type: a/b"}, []string{"access_key", "ak", "secret_key", "s"},
			[]string{"SignedHeaders=host;x-own;x-sdk-content-sha256;x-sdk-date, Signature=" + hx(mac256("s", "SDK-HMAC-SHA256\n20240205T060708Z\n"+
				sha256hex("PUT\n/k/\n\nhost:obs.cn-north-1.myhuaweicloud.com\nx-own:1\nx-sdk-content-sha256:UNSIGNED-PAYLOAD\nx-sdk-date:20240205T060708Z\n\nhost;x-own;x-sdk-content-sha256;x-sdk-date\nUNSIGNED-PAYLOAD")))}},
		{"hawk", "", "GET", "https://ex.com/r", "", []string{`Authorization: Hawk id="x", ts="1", nonce="n", ext="some-ext", mac="x"`}, []string{"host", "ex.com", "id", "id1", "key", "k"},
			[]string{`ext="some-ext", mac="` + b64(mac256("k", "hawk.1.header\n"+unixS+"\n"+fixed+"\nGET\n/r\nex.com\n443\n\nsome-ext\n")) + `"`}},
		{"mexc", "", "GET", "https://api.mexc.com/api/v1/private/account/assets?b=2&a=1", "", nil, keys,
			[]string{"Signature: " + hx(mac256("s", "k"+unixMS+"a=1&b=2")), "Apikey: k"}},
		{"volcengine", "", "GET", "https://open.volcengineapi.com/?Action=A", "", []string{"Authorization: HMAC-SHA256 Credential=x/20240101/cn-beijing/ecs/request, SignedHeaders=host;x-date, Signature=0"}, []string{"access_key_id", "ak", "secret_access_key", "s"},
			[]string{"Credential=ak/20240205/cn-beijing/ecs/request"}},
		{"alibaba-oss", "access_key_v4", "GET", "https://b.oss-cn-hangzhou.aliyuncs.com/k", "", []string{"X-Own: 1", "Authorization: OSS4-HMAC-SHA256 Credential=x,AdditionalHeaders=host;x-own;x-oss-date,Signature=0"}, []string{"access_key_id", "ak", "access_key_secret", "s", "region", "cn-hangzhou"},
			[]string{"/oss/aliyun_v4_request,AdditionalHeaders=host;x-own,Signature="}},
		{"http-signatures", "hmac_sha256", "GET", "https://ex.com/r?a=1", "", []string{"X-Own: 1", `Authorization: Signature keyId="x",headers="x-own (request-target)",signature="0"`}, []string{"host", "ex.com", "key_id", "kid", "secret", "s"},
			[]string{`headers="x-own (request-target)",signature="` + b64(mac256("s", "x-own: 1\n(request-target): get /r?a=1")) + `"`}},
		{"http-message-signatures", "hmac_sha256", "GET", "https://ex.com/r?a=1", "", []string{`Signature-Input: sig9=("@method" "@query");created=1;keyid="x"`}, []string{"host", "ex.com", "key_id", "kid", "secret", b64key, "label", "sig1"},
			[]string{`Signature-Input: sig1=("@method" "@query");created=` + unixS + `;keyid="kid"`}},
		{"gate-io", "", "GET", "https://api.gateio.ws/api/v4/spot/x%2Fy?a=1%2C2&b=c+d", "", nil, keys,
			[]string{"Sign: " + hx(macOf(sha512.New, "s", "GET\n/api/v4/spot/x/y\na=1,2&b=c d\n"+sha512hex("")+"\n"+unixS))}},
		{"bitget", "", "GET", "https://api.bitget.com/api/v2/spot/x?a=1%2C2", "", nil, append(keys[:4:4], "passphrase", "p"),
			[]string{"Access-Sign: " + b64(mac256("s", unixMS+"GET/api/v2/spot/x?a=1,2"))}},
		{"qiniu", "qbox", "POST", "https://uc.qiniuapi.com/x?a=1", "b=2", []string{form}, []string{"access_key", "ak", "secret_key", "s"},
			[]string{"Authorization: QBox ak:" + base64.URLEncoding.EncodeToString(macOf(sha1.New, "s", "/x?a=1\nb=2"))}},
		{"cybersource", "", "POST", "https://api.cybersource.com/pts/v2/payments?a=1", "{}", []string{js}, []string{"merchant_id", "m", "key_id", "id", "shared_secret", b64key},
			[]string{`signature="` + b64(mac256("secret", "host: api.cybersource.com\ndate: "+date+"\nrequest-target: post /pts/v2/payments?a=1\ndigest: SHA-256="+sha256b64("{}")+"\nv-c-merchant-id: m")) + `"`}},
		{"cybersource", "", "GET", "https://api.cybersource.com/reporting/v3/reports", "", nil, []string{"merchant_id", "m", "key_id", "id", "shared_secret", b64key},
			[]string{`headers="host date request-target v-c-merchant-id", signature="` + b64(mac256("secret", "host: api.cybersource.com\ndate: "+date+"\nrequest-target: get /reporting/v3/reports\nv-c-merchant-id: m"))}},
		{"visa", "", "POST", "https://sandbox.api.visa.com/cybersource/payments/v1/authorizations?b=2&a=1", "{}", []string{js}, []string{"api_key", "k", "shared_secret", "s"},
			[]string{"X-Pay-Token: xv2:" + unixS + ":" + hx(mac256("s", unixS+"payments/v1/authorizationsa=1&apikey=k&b=2{}"))}},
		{"fiserv", "", "POST", "https://cert.api.fiservapps.com/ch/payments/v1/charges", "{}", []string{js, "Client-Request-Id: 42"}, keys,
			[]string{"Authorization: " + b64(mac256("s", "k42"+unixMS+"{}"))}},
		{"azure-iot-hub", "", "GET", "https://Hub1.azure-devices.net/devices?top=1", "", nil, []string{"hub", "hub1", "key_name", "pol", "key", b64key},
			[]string{"SharedAccessSignature sr=hub1.azure-devices.net&sig=" + url.QueryEscape(b64(mac256("secret", "hub1.azure-devices.net\n1707113528"))) + "&se=1707113528&skn=pol"}},
		{"woocommerce", "oauth1", "GET", "http://shop.example/wp-json/wc/v3/orders?page=1", "", nil, []string{"host", "shop.example", "consumer_key", "ck", "consumer_secret", "cs"},
			[]string{"&oauth_signature=" + url.QueryEscape(b64(mac256("cs&", "GET&http%3A%2F%2Fshop.example%2Fwp-json%2Fwc%2Fv3%2Forders&oauth_consumer_key%3Dck%26oauth_nonce%3D"+fixed+"%26oauth_signature_method%3DHMAC-SHA256%26oauth_timestamp%3D"+unixS+"%26oauth_version%3D1.0%26page%3D1")))}},
	}
	defs := signAll(t, tests)
	t.Run("binance, Ed25519", func(t *testing.T) { binanceEd25519(t, defs) })
}

func binanceEd25519(t *testing.T, defs map[string]*providers.Definition) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	c := constructed{"binance", "ed25519", "GET", "https://api.binance.com/api/v3/account?a=1", "", nil, []string{"api_key", "k", "private_key", text}, nil}
	first, _, _ := strings.Cut(c.sign(t, defs), "\n")
	_, sig, _ := strings.Cut(first, "&signature=")
	sig, err = url.QueryUnescape(sig)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(sig)
	if err != nil || !ed25519.Verify(public, []byte("a=1&timestamp="+unixMS), raw) {
		t.Errorf("the signature in %s does not verify: %v", first, err)
	}
}

// TestMintedPerRequest reads the JWTs that connectors make for each request,
// and checks their HMAC by its definition.
func TestMintedPerRequest(t *testing.T) {
	defs, err := providers.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		constructed
		before, key string
		want        map[string]any // of claims and header
	}{
		{constructed{"ghost-admin", "", "GET", "https://blog.example/ghost/api/admin/site/", "", nil, []string{"host", "blog.example", "admin_api_key", "6a:736563726574"}, nil},
			"Ghost ", "secret", map[string]any{"alg": "HS256", "kid": "6a", "aud": "/admin/", "iat": 1707113228.0, "exp": 1707113528.0}},
		{constructed{"upbit", "", "GET", "https://api.upbit.com/v1/orders?states[]=wait&page=1", "", nil, []string{"access_key", "ak", "secret_key", "secret"}, nil},
			"Bearer ", "", map[string]any{"alg": "HS512", "access_key": "ak", "nonce": fixed, "query_hash": sha512hex("states[]=wait&page=1"), "query_hash_alg": "SHA512"}},
		{constructed{"kling", "", "GET", "https://api.klingai.com/account/costs", "", nil, []string{"access_key", "ak", "secret_key", "secret"}, nil},
			"Bearer ", "secret", map[string]any{"alg": "HS256", "iss": "ak", "nbf": 1707113223.0, "exp": 1707115028.0}},
		{constructed{"livekit", "", "POST", "https://p.livekit.cloud/twirp/livekit.RoomService/ListRooms", "{}", []string{"Content-Type: application/json"}, []string{"host", "p.livekit.cloud", "api_key", "ak", "api_secret", "secret"}, nil},
			"Bearer ", "secret", map[string]any{"alg": "HS256", "iss": "ak", "exp": 1707113528.0}},
		{constructed{"getstream", "", "GET", "https://chat.stream-io-api.com/api/v2/app", "", nil, []string{"api_key", "ak", "api_secret", "secret"}, nil},
			"Authorization: ", "secret", map[string]any{"alg": "HS256", "server": true}},
	} {
		t.Run(tt.connector, func(t *testing.T) {
			_, rest, _ := strings.Cut(tt.sign(t, defs), tt.before)
			token, _, _ := strings.Cut(rest, "\n")
			parts := strings.Split(token, ".")
			if len(parts) != 3 {
				t.Fatalf("the token is %q", token)
			}
			got := map[string]any{}
			for _, part := range parts[:2] {
				raw, err := base64.RawURLEncoding.DecodeString(part)
				if err != nil || json.Unmarshal(raw, &got) != nil {
					t.Fatalf("%q is no JSON: %v", part, err)
				}
			}
			for name, w := range tt.want {
				if got[name] != w {
					t.Errorf("%s = %v, want %v", name, got[name], w)
				}
			}
			if want := base64.RawURLEncoding.EncodeToString(mac256(tt.key, parts[0]+"."+parts[1])); tt.key != "" && parts[2] != want {
				t.Errorf("the signature is %s, want %s", parts[2], want)
			}
		})
	}
}
