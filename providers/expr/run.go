package expr

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"sync/atomic"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// variable is a name that an expression may use.
type variable struct {
	typ  *cel.Type
	doc  string
	body bool // reading it reads the request's body
	get  func(*run) ref.Val
}

// variables are all names beside the let values of a connector.
var variables = map[string]variable{
	"token":   {cel.StringType, "the access token, or the main secret", false, func(r *run) ref.Val { return r.token() }},
	"fields":  {stringMap, "the account's fields", false, func(r *run) ref.Val { return &r.fields }},
	"app":     {stringMap, "the OAuth client: client_id, client_secret", false, func(r *run) ref.Val { return &r.app }},
	"account": {stringMap, "name, id and captured values of the account", false, func(r *run) ref.Val { return &r.account }},
	"now":     {cel.TimestampType, "the time", false, func(r *run) ref.Val { return types.Timestamp{Time: r.now()} }},
	"nonce":   {cel.StringType, "32 random hex digits, the same within one request", false, func(r *run) ref.Val { return types.String(r.nonce()) }},
	"uuid":    {cel.StringType, "a random UUID, the same within one request", false, func(r *run) ref.Val { return types.String(r.uuid()) }},

	"counter.ms": {cel.IntType, "milliseconds since 1970, but never the same nor less than before", false, func(r *run) ref.Val { return r.counter(&lastMS, time.Time.UnixMilli) }},
	"counter.us": {cel.IntType, "the same in microseconds", false, func(r *run) ref.Val { return r.counter(&lastUS, time.Time.UnixMicro) }},
	"counter.ns": {cel.IntType, "the same in nanoseconds", false, func(r *run) ref.Val { return r.counter(&lastNS, time.Time.UnixNano) }},

	"request":              {requestType, "the request as it will be sent", false, func(r *run) ref.Val { return &r.request }},
	"request.method":       requestText("the method", func(q *http.Request) string { return q.Method }),
	"request.scheme":       requestText("https or http", func(q *http.Request) string { return q.URL.Scheme }),
	"request.host":         requestText("the host, with its port unless that is the default", Host),
	"request.hostname":     requestText("the host without a port", hostname),
	"request.path":         requestText("the path with its percent-encoding", Path),
	"request.query":        requestText("the query as it is sent, without ?", func(q *http.Request) string { return q.URL.RawQuery }),
	"request.target":       requestText("path and query, as on the request line", target),
	"request.url":          requestText("the whole URL", func(q *http.Request) string { return q.URL.Scheme + "://" + Host(q) + target(q) }),
	"request.content_type": requestText("the Content-Type in lower case, without parameters", mediaType),
	"request.headers": {stringMap, "the headers by lower-case name, with host", false, func(r *run) ref.Val {
		return types.NewStringStringMap(types.DefaultTypeAdapter, lowerHeaders(r.v.Request))
	}},
	"request.params": {stringMap, "the query's parameters, decoded; the first of equal names", false, func(r *run) ref.Val {
		if err := parameters(r, []ref.Val{types.String(r.v.Request.URL.RawQuery)}); err != nil {
			return types.WrapErr(err)
		}
		return types.NewStringStringMap(types.DefaultTypeAdapter, pairMap(ParsePairs(r.v.Request.URL.RawQuery)))
	}},
	"request.body": {cel.BytesType, "the body", true, func(r *run) ref.Val { return r.body() }},
	"request.form": {stringMap, "the fields of a form body, decoded; the first of equal names", true, func(r *run) ref.Val { return r.form() }},
}

var (
	stringMap = cel.MapType(cel.StringType, cel.StringType)
	mapType   = reflect.TypeFor[map[string]ref.Val]()
)

func requestText(doc string, get func(*http.Request) string) variable {
	return variable{cel.StringType, doc, false, func(r *run) ref.Val { return types.String(get(r.v.Request)) }}
}

func hostname(r *http.Request) string {
	host := Host(r)
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// run is one evaluation: what CEL asks for names. It lives as long as its Vars,
// so that nonce and counter stay the same for one request.
type run struct {
	v       *Vars
	fields  valueMap
	app     valueMap
	account valueMap
	request requestVal
	lets    []letValue

	spent   int64  // units of what the request may cost
	over    error  // that it would have cost more
	unread  error  // why the body could not be read
	made    string // nonce, when none came from outside
	counted map[*atomic.Int64]int64
}

type letValue struct {
	name string
	val  ref.Val
}

// running returns the run of v, made on first use.
func (v *Vars) running() *run {
	if v.run == nil || v.run.v != v {
		r := &run{v: v}
		r.fields.Mapper, r.app.Mapper, r.account.Mapper = noStrings, noStrings, noStrings
		r.fields.get = func(name string) string {
			if v.Cred == nil {
				return ""
			}
			return v.Cred.Fields.Get(name).Reveal()
		}
		r.app.get = func(name string) string { return v.App.Get(name).Reveal() }
		r.account.get = func(name string) string { return v.Account[name] }
		r.request.run = r
		v.run = r
	}
	return v.run
}

// ResolveName implements cel.Activation.
func (r *run) ResolveName(name string) (any, bool) {
	if name == runName {
		return r, true
	}
	if known, ok := variables[name]; ok {
		return r.read(known), true
	}
	if val := r.let(name); val != nil {
		return val, true
	}
	return nil, false
}

// read gets a variable and counts what that makes: each time anew, since a
// signer may have changed the request.
func (r *run) read(known variable) ref.Val {
	if r.over != nil {
		return types.WrapErr(r.over)
	}
	val := known.get(r)
	if err := r.result(val); err != nil {
		return types.WrapErr(err)
	}
	return val
}

// Parent implements cel.Activation.
func (r *run) Parent() cel.Activation { return nil }

func (r *run) let(name string) ref.Val {
	for i := range r.lets {
		if r.lets[i].name == name {
			return r.lets[i].val
		}
	}
	return nil
}

func (r *run) setLet(name string, val ref.Val) {
	for i := range r.lets {
		if r.lets[i].name == name {
			r.lets[i].val = val
			return
		}
	}
	r.lets = append(r.lets, letValue{name, val})
}

func (r *run) token() ref.Val {
	if r.v.Cred == nil || r.v.Cred.Token.IsZero() {
		return types.WrapErr(&MissingError{"token"})
	}
	return types.String(r.v.Cred.Token.Reveal())
}

func (r *run) now() time.Time {
	if r.v.Now.IsZero() {
		r.v.Now = time.Now()
	}
	return r.v.Now
}

// Time is Now, or the present time, which is then kept.
func (v *Vars) Time() time.Time { return v.running().now() }

// Random is Nonce, or 32 random hex digits, the same for one request.
func (v *Vars) Random() string { return v.running().nonce() }

// nonce is random unless Vars.Nonce fixes it.
func (r *run) nonce() string {
	if r.v.Nonce != "" {
		return r.v.Nonce
	}
	if r.made == "" {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		r.made = hex.EncodeToString(b[:])
	}
	return r.made
}

// uuid is version 4 of RFC 9562, unless Vars.Nonce fixes it.
func (r *run) uuid() string {
	if r.v.Nonce != "" {
		return r.v.Nonce
	}
	b, _ := hex.DecodeString(r.nonce())
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// The last value of each counter in this process. After a restart the clock
// has gone on by more than the requests that were signed.
var lastMS, lastUS, lastNS atomic.Int64

// counter is the clock, or one more than last when that is greater; the same
// for one request. Vars.Nonce fixes it when that is a number.
func (r *run) counter(last *atomic.Int64, unit func(time.Time) int64) ref.Val {
	if n, err := strconv.ParseInt(r.v.Nonce, 10, 64); err == nil {
		return types.Int(n)
	}
	if n, ok := r.counted[last]; ok {
		return types.Int(n)
	}
	for {
		old := last.Load()
		n := max(unit(r.now()), old+1)
		if last.CompareAndSwap(old, n) {
			if r.counted == nil {
				r.counted = map[*atomic.Int64]int64{}
			}
			r.counted[last] = n
			return types.Int(n)
		}
	}
}

func (r *run) body() ref.Val {
	if r.v.Body == nil {
		return types.Bytes(nil)
	}
	b, err := r.v.Body.Bytes()
	if err != nil {
		r.unread = err
		return types.WrapErr(err)
	}
	return types.Bytes(b)
}

func (r *run) form() ref.Val {
	m := map[string]string{}
	if mediaType(r.v.Request) == "application/x-www-form-urlencoded" {
		b := r.body()
		if types.IsError(b) {
			return b
		}
		if err := parameters(r, []ref.Val{b}); err != nil {
			return types.WrapErr(err)
		}
		m = pairMap(ParsePairs(stringOf(b)))
	}
	return types.NewStringStringMap(types.DefaultTypeAdapter, m)
}

// noStrings answers what a valueMap does not: as a map without entries.
var noStrings = types.NewStringStringMap(types.DefaultTypeAdapter, nil)

// valueMap is a map of text for CEL. An empty value counts as missing. It
// cannot be listed, so that no expression takes all secrets at once.
type valueMap struct {
	traits.Mapper
	get func(name string) string
}

func (m *valueMap) Find(key ref.Val) (ref.Val, bool) {
	s := m.get(stringOf(key))
	return types.String(s), s != ""
}

func (m *valueMap) Get(key ref.Val) ref.Val {
	v, ok := m.Find(key)
	if !ok {
		return types.NewErr("no such key")
	}
	return v
}

func (m *valueMap) Contains(key ref.Val) ref.Val {
	_, ok := m.Find(key)
	return types.Bool(ok)
}

// requestVal is `request` as a value, the receiver of its methods.
type requestVal struct{ run *run }

func (q *requestVal) ConvertToNative(reflect.Type) (any, error) {
	return nil, EvalError("request is no value")
}
func (q *requestVal) ConvertToType(ref.Type) ref.Val { return fail("request is no value") }
func (q *requestVal) Equal(ref.Val) ref.Val          { return types.False }
func (q *requestVal) Type() ref.Type                 { return requestType }
func (q *requestVal) Value() any                     { return nil }
