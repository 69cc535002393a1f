package sign

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/attache-proxy/attache/providers/expr"
	"github.com/attache-proxy/attache/providers/sign/sigv4"
	"github.com/attache-proxy/attache/providers/strictyaml"
)

// sigv4Params is what stands under `sigv4:`. The first five are templates; those of
// the keys may be left out where the fields have these names.
type sigv4Params struct {
	AccessKeyID     string `yaml:"access_key_id"`
	SecretAccessKey string `yaml:"secret_access_key"`
	SessionToken    string `yaml:"session_token"`
	// Service and Region narrow what the account may sign. Empty, they are read
	// from the host, or else from what the agent's SDK signed.
	Service string `yaml:"service"`
	Region  string `yaml:"region"`
	// Scheme is a key of sigv4.Schemes; default aws.
	Scheme string `yaml:"scheme"`
	// Path is once or twice: how often the path is encoded; default by service.
	Path string `yaml:"path"`
	// Normalize says whether dot segments and double slashes are signed as if they
	// were resolved; default by service.
	Normalize *bool `yaml:"normalize"`
	// Payload is hashed or unsigned: whether the signature takes the body in; default
	// by service.
	Payload string `yaml:"payload"`
	// Presigned is resign (the default) or keep: what becomes of a request
	// that is signed in its query.
	Presigned string `yaml:"presigned"`
}

// awsSigner is the kind sigv4.
type awsSigner struct {
	id, secret, session *expr.Template // session may be nil
	service, region     *expr.Template // may be nil
	scheme              sigv4.Scheme
	path, presigned     string
	normalize           *bool  // nil: by service
	payload             string // empty: by service
}

func newSigV4(c *compiler, n *yaml.Node) (placer, error) {
	var p sigv4Params
	if n != nil {
		if err := strictyaml.Decode(n, &p); err != nil {
			return nil, err
		}
	}
	s := &awsSigner{path: p.Path, presigned: p.Presigned, normalize: p.Normalize, payload: p.Payload}
	if p.Scheme == "" {
		p.Scheme = "aws"
	}
	var ok bool
	if s.scheme, ok = sigv4.Schemes[p.Scheme]; !ok {
		return nil, fmt.Errorf("scheme %q: want one of %s", p.Scheme, sortedKeys(sigv4.Schemes))
	}
	if !slices.Contains([]string{"", "once", "twice"}, p.Path) {
		return nil, errors.New("path: want once or twice")
	}
	if !slices.Contains([]string{"", "hashed", "unsigned"}, p.Payload) {
		return nil, errors.New("payload: want hashed or unsigned")
	}
	if !slices.Contains([]string{"", "resign", "keep"}, p.Presigned) {
		return nil, errors.New("presigned: want resign or keep")
	}
	for _, t := range []struct {
		to          **expr.Template
		src, field  string
		isMandatory bool
	}{
		{&s.id, p.AccessKeyID, "access_key_id", true}, {&s.secret, p.SecretAccessKey, "secret_access_key", true},
		{&s.session, p.SessionToken, "session_token", false}, {&s.service, p.Service, "service", false}, {&s.region, p.Region, "region", false},
	} {
		var err error
		if *t.to, err = c.param(t.field, t.src, t.isMandatory); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// param compiles a parameter of a kind. Its default is the field of that name;
// where that is not declared, an optional parameter is nil.
func (c *compiler) param(name, src string, mandatory bool) (*expr.Template, error) {
	if src == "" {
		if !mandatory && c.env.Fields != nil && !slices.Contains(c.env.Fields, name) {
			return nil, nil
		}
		src = "{fields." + name + "}"
	}
	t, _, err := c.template(name, Item{Value: src})
	return t, err
}

// value evaluates a parameter; nil gives nothing.
func value(t *expr.Template, in *Input) (string, error) {
	if t == nil {
		return "", nil
	}
	return t.Eval(&in.Vars)
}

// optional is value, where a missing field gives nothing.
func optional(t *expr.Template, in *Input) (string, error) {
	s, err := value(t, in)
	if _, missing := errors.AsType[*expr.MissingError](err); missing || errors.Is(err, expr.ErrNone) {
		return "", nil
	}
	return s, err
}

func (s *awsSigner) places(p *Places) {
	title := s.scheme.Title()
	p.Headers = append(p.Headers, "Authorization", title+"Date", title+"Security-Token")
}

func (s *awsSigner) needsBody() bool { return true }

// needsBodyOf reports whether the body of r must be buffered: not where the
// agent has hashed it, or where the service takes it unsigned.
func (s *awsSigner) needsBodyOf(r *http.Request) bool {
	if !hasBody(r) || s.hashHeader(r) != "" {
		return false
	}
	if s.service != nil && s.service.Static() {
		return !s.unsigned(s.service.String())
	}
	ep, _ := sigv4.ParseHost(hostname(r))
	return !s.unsigned(ep.Service)
}

// unsigned reports whether a service takes bodies that the signature leaves out.
func (s *awsSigner) unsigned(service string) bool {
	return s.payload == "unsigned" || s.payload == "" && sigv4.PathOnce(service)
}

func (s *awsSigner) hashHeader(r *http.Request) string {
	return r.Header.Get(s.scheme.Prefix + "content-sha256")
}

func (s *awsSigner) place(r *http.Request, in *Input) error {
	o, signed, err := s.options(r, in)
	if err != nil {
		return err
	}
	in.placed("header", "Authorization", o.Keys.ID, s.id.Origin())
	if s.session != nil {
		in.placed("header", s.scheme.Title()+"Security-Token", o.Keys.Session, s.session.Origin())
	}
	if params := queryMap(r); o.LateToken || params != nil && !in.HeaderOnly {
		if was, ok := sigv4.ParsePresigned(params, s.scheme.Title()); ok || o.LateToken {
			return s.presign(r, in, o, was, params[s.scheme.Title()+"Expires"])
		}
	}
	o.SignedHeaders = signed.Headers
	agents := s.hashHeader(r)
	unsigned, store := s.unsigned(o.Scope.Service), sigv4.PathOnce(o.Scope.Service)
	o.SendHash = agents != "" || store || s.payload == "unsigned" || hasBody(r) && o.Scope.Service == "glacier"
	switch {
	case sigv4.IsStreaming(agents):
		return s.stream(r, o, agents)
	case agents == sigv4.Unsigned, isHash(agents):
		o.Hash = agents
	case agents != "":
		return cannot("%scontent-sha256: want the SHA-256 of the body in hex, %s or a STREAMING-… value", s.scheme.Prefix, sigv4.Unsigned)
	case !hasBody(r):
		o.Hash = sigv4.EmptyHash
	case unsigned && (in.Body == nil || s.payload != ""):
		o.Hash = sigv4.Unsigned
	default:
		if o.Hash, err = bodyHash(in); err != nil {
			return err
		}
	}
	o.SignLength = !store && s.scheme.SignsLength && in.SentHeader("Content-Length") != ""
	return failed(sigv4.Header(r, o))
}

// stream signs a body that the agent's SDK framed in chunks or events.
func (s *awsSigner) stream(r *http.Request, o sigv4.Options, agents string) error {
	if r.ContentLength > 0 && !sigv4.LengthKept(agents, o.RegionSet != "") {
		return cannot("the body is framed for another signature algorithm than the account's: send it without chunked signing")
	}
	o.Hash = agents
	// S3's own examples sign the length of a chunked body unless it has a trailer.
	o.SignLength = agents == sigv4.Streaming
	if err := sigv4.Stream(r, o); err != nil {
		return failed(err)
	}
	if r.Body != nil {
		r.Body = blamed{r.Body}
	}
	return nil
}

// blamed is a body that is signed while it is sent. Reading it fails with an
// *Error when the agent framed it wrongly.
type blamed struct{ io.ReadCloser }

func (b blamed) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, sigv4.ErrChunk) || errors.Is(err, sigv4.ErrEvent) {
		err = cannot("%v", err)
	}
	return n, err
}

func (s *awsSigner) presign(r *http.Request, in *Input, o sigv4.Options, was sigv4.Signed, expires string) error {
	if s.presigned == "keep" {
		return nil
	}
	n, err := strconv.Atoi(expires)
	if o.LateToken && expires == "" {
		n, err = 0, nil // the gateway sets the end itself
	} else if err != nil || n <= 0 {
		return cannot("the presigned URL has no %sExpires: want seconds", s.scheme.Title())
	}
	if most := int(in.MaxExpires / time.Second); most > 0 {
		n = min(n, most)
	}
	o.SignedHeaders = was.Headers
	switch agents := s.hashHeader(r); {
	case agents != "":
		o.Hash = agents
	case s.unsigned(o.Scope.Service):
		o.Hash = sigv4.Unsigned
	case !hasBody(r):
		o.Hash = sigv4.EmptyHash
	default:
		if o.Hash, err = bodyHash(in); err != nil {
			return err
		}
	}
	if err := sigv4.Presign(r, o, n); err != nil {
		return failed(err)
	}
	name := s.scheme.Title() + "Signature"
	in.placed("query", name, queryMap(r)[name], nil)
	return nil
}

// options gathers keys and scope.
func (s *awsSigner) options(r *http.Request, in *Input) (o sigv4.Options, signed sigv4.Signed, err error) {
	if o.Keys.ID, err = value(s.id, in); err != nil {
		return o, signed, explain("sigv4 access_key_id", err)
	}
	if o.Keys.Secret, err = value(s.secret, in); err != nil {
		return o, signed, explain("sigv4 secret_access_key", err)
	}
	if o.Keys.Session, err = optional(s.session, in); err != nil {
		return o, signed, explain("sigv4 session_token", err)
	}
	if in.Explain != nil {
		o.Explain = func(what, text string) { in.Explain(expr.Step{What: what, Text: text}) }
		in.Explain(expr.Step{What: s.scheme.Algorithm, Key: []byte(o.Keys.Secret), KeyRefs: s.secret.Refs()})
	}
	if hasControl(o.Keys.ID) || hasControl(o.Keys.Session) {
		return o, signed, cannot("sigv4: a key or token holds a control character")
	}
	signed, _ = sigv4.ParseAuthorization(in.SentHeader("Authorization"))
	if was, ok := sigv4.ParsePresigned(queryMap(r), s.scheme.Title()); ok {
		signed = was
	}
	o.Scope, err = s.scope(r, in, signed)
	if o.Scope.Region == "*" || signed.Algorithm == sigv4.AlgorithmV4A || strings.Contains(o.Scope.Region, ",") {
		o.RegionSet = o.Scope.Region
		if set := in.SentHeader("X-Amz-Region-Set"); set != "" && o.RegionSet == "*" {
			o.RegionSet = set
		}
	}
	o.PathOnce = s.path == "once" || s.path == "" && sigv4.PathOnce(o.Scope.Service)
	o.PathAsIs = sigv4.PathOnce(o.Scope.Service)
	if s.normalize != nil {
		o.PathAsIs = !*s.normalize
	}
	o.LateToken = o.Scope.Service == sigv4.DeviceGateway
	return o, signed, err
}

// scope finds service and region: the account's own, else the host's, else
// those that the agent's SDK signed for.
func (s *awsSigner) scope(r *http.Request, in *Input, signed sigv4.Signed) (sigv4.Scope, error) {
	sc := sigv4.Scope{Scheme: s.scheme, Time: in.Time().Add(in.Memory.skewOf(r.URL.Host, in.Time()))}
	service, err := optional(s.service, in)
	if err != nil {
		return sc, explain("sigv4 service", err)
	}
	region, err := optional(s.region, in)
	if err != nil {
		return sc, explain("sigv4 region", err)
	}
	host := hostname(r)
	ep, known := sigv4.ParseHost(host)
	if (ep.Service == "iotdata" || ep.Service == "iot") && r.URL.Path == "/mqtt" {
		ep.Service = sigv4.DeviceGateway
	}
	if region != "" && known && ep.Explicit && region != "*" && ep.Region != "*" && !slices.Contains(strings.Split(region, ","), ep.Region) {
		return sc, cannot("the account may sign for region %s only, and %s is in %s", region, host, ep.Region)
	}
	switch {
	case service == "" || service == signed.Service:
	case ep.Explicit && ep.Service != service:
		return sc, cannot("the account may sign for service %s only, and %s is of service %s", service, host, ep.Service)
	case !ep.Explicit && signed.Service != "" && signed.Algorithm == s.scheme.Algorithm:
		return sc, cannot("the account may sign for service %s only, and the request was signed for %s", service, signed.Service)
	}
	sc.Service = first(service, ep.Service, signed.Service)
	sc.Region = first(region, ep.Region, signed.Region)
	switch {
	case sc.Service == "":
		return sc, cannot("the host %s does not tell the service to sign for: set the account's service", host)
	case sc.Region == "":
		return sc, cannot("the host %s does not tell the region to sign for: set the account's region", host)
	}
	return sc, nil
}

// first is the first of these that is not empty.
func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// isHash reports whether s is a SHA-256 in hex.
func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

func bodyHash(in *Input) (string, error) {
	if in.Body == nil {
		return "", errNoBody
	}
	b, err := in.Body.Bytes()
	if err != nil {
		return "", err
	}
	return sigv4.HashHex(b), nil
}

func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

func hostname(r *http.Request) string {
	host := expr.Host(r)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(host)
}

// queryMap is the query's parameters, or nil when it is empty.
func queryMap(r *http.Request) map[string]string {
	if r.URL.RawQuery == "" {
		return nil
	}
	m := map[string]string{}
	for _, p := range expr.ParsePairs(r.URL.RawQuery) {
		m[p.Name] = p.Value
	}
	return m
}

// failed makes a failure of a kind the request's.
func failed(err error) error {
	if err != nil {
		return cannot("sigv4: %v", err)
	}
	return nil
}

// again learns the clock of a service that refused the signature, when the two
// clocks differ by more than services allow, and by no more than is believed.
func (s *awsSigner) again(in *Input, res *http.Response) bool {
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
	default:
		return false
	}
	theirs, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil || in.Memory == nil || in.Request == nil {
		return false
	}
	now, host := in.Time(), in.Request.URL.Host
	skew := theirs.Sub(now)
	if (skew-in.Memory.skewOf(host, now)).Abs() <= minSkew || skew.Abs() > maxSkew {
		return false
	}
	in.Memory.setSkew(host, now, skew)
	return true
}
