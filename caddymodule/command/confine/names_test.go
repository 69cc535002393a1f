package confine

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func answered(t *testing.T, n *names, name string, kind dnsmessage.Type) (dnsmessage.RCode, []dnsmessage.Resource) {
	t.Helper()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}}}
	text, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(n.answer(text)); err != nil || m.ID != 7 || !m.Response {
		t.Fatalf("%s: %v, %+v", name, err, m.Header)
	}
	return m.RCode, m.Answers
}

// Names have addresses that stand for them, for good, and a bound.
func TestNames(t *testing.T) {
	n := &names{}
	for _, name := range []string{"api.test.", "API.Test."} {
		code, got := answered(t, n, name, dnsmessage.TypeA)
		if code != 0 || len(got) != 1 || got[0].Body.(*dnsmessage.AResource).A != [4]byte{198, 18, 0, 1} {
			t.Errorf("%s: %v, %v", name, code, got)
		}
	}
	_, got := answered(t, n, "api.test.", dnsmessage.TypeAAAA)
	v6 := netip.AddrFrom16(got[0].Body.(*dnsmessage.AAAAResource).AAAA)
	for _, addr := range []netip.Addr{v6, netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("::ffff:198.18.0.1")} {
		if name, ours := n.of(addr); name != "api.test" || !ours {
			t.Errorf("%s stands for %q, %v", addr, name, ours)
		}
	}
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeMX, dnsmessage.TypeTXT, 64, 65} { // SVCB, HTTPS: no ECH
		if code, got := answered(t, n, "api.test.", kind); code != 0 || len(got) != 0 {
			t.Errorf("%v: %v, %v; want nothing", kind, code, got)
		}
	}
	for _, name := range []string{"1.2.3.4.", "a b.test.", "a\r\nX-Y: z.test.", "a/b.test.", "a@b.test.", "use-application-dns.net.", "x.0x7f."} {
		if code, got := answered(t, n, name, dnsmessage.TypeA); code != dnsmessage.RCodeNameError || len(got) != 0 {
			t.Errorf("%q: %v, %v; want no such name", name, code, got)
		}
	}
	for i := range 10_000 {
		code, _ := answered(t, n, fmt.Sprintf("n%d.test.", i), dnsmessage.TypeA)
		if want := i+2 <= maxNames; (code == 0) != want {
			t.Fatalf("name %d: %v", i, code)
		}
	}
	if _, got := answered(t, n, "api.test.", dnsmessage.TypeA); len(got) != 1 || len(n.all) != maxNames {
		t.Errorf("with %d names the first is forgotten: %v", len(n.all), got)
	}
	if _, got := answered(t, n, "1.0.18.198.in-addr.arpa.", dnsmessage.TypePTR); len(got) != 1 || got[0].Body.(*dnsmessage.PTRResource).PTR.String() != "api.test." {
		t.Errorf("the name of 198.18.0.1: %v", got)
	}
	for _, addr := range []string{"198.18.0.0", "198.19.255.255", "fd00:a77a:c4e:1::", "fd00:a77a:c4e:1:1::1"} {
		if name, ours := n.of(netip.MustParseAddr(addr)); name != "" || !ours {
			t.Errorf("%s stands for %q, %v", addr, name, ours)
		}
	}
	for _, text := range [][]byte{nil, {1}, make([]byte, 12), make([]byte, 600)} { // nothing, and nonsense
		_ = n.answer(text)
	}
}

// A hello says to whom, and whether it hides that; what was read is whole.
func TestHello(t *testing.T) {
	for _, text := range []string{"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "\x16\x03\x01\xff\xff", "\x16garbage garbage garbage", "\x16\x03\x01\x00\x00"} {
		if h, said, err := hear(&once{text: text}); err == nil || len(said) == 0 {
			t.Errorf("%q: %+v, %q, %v; want an error, and what was read", text, h, said, err)
		}
	}
}

// once is a text, and the end.
type once struct{ text string }

func (o *once) Read(p []byte) (int, error) {
	if o.text == "" {
		return 0, fmt.Errorf("the end")
	}
	n := copy(p, o.text)
	o.text = o.text[n:]
	return n, nil
}

func TestSecretNames(t *testing.T) {
	environ := []string{"PATH=/bin", "GITHUB_TOKEN=a", "openai_api_key=b", "AWS_ACCESS_KEY_ID=c", "DATABASE_URL=d", "PIP_INDEX_URL=https://me:pass@host/", "MY_TOKEN_FILE=e", "PWD=/x", "TOKENIZERS_PARALLELISM=1", "SSH_AUTH_SOCK=f", "EDITOR=vi", "KEEP_TOKEN=g", "GOPROXY=https://proxy.example"}
	out, left := withoutSecrets(environ, func(name string) bool { return name == "KEEP_TOKEN" })
	if got, want := fmt.Sprint(out), "[PATH=/bin PWD=/x TOKENIZERS_PARALLELISM=1 EDITOR=vi KEEP_TOKEN=g GOPROXY=https://proxy.example]"; got != want {
		t.Errorf("%s, want %s; left out %v", got, want, left)
	}
}
