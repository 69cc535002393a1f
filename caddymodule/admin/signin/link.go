package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/attache-proxy/attache/resolver/problem"
	"github.com/attache-proxy/attache/resolver/vault"
)

const (
	// LinkLife is how long a link that signs in may be opened.
	LinkLife = 10 * time.Minute
	// linkSession is how long whoever opened it is signed in.
	linkSession = 12 * time.Hour
)

// links are those that this process printed on its terminal and nobody opened yet,
// by the hash of their code.
var links = struct {
	sync.Mutex
	until map[[sha256.Size]byte]time.Time
}{until: map[[sha256.Size]byte]time.Time{}}

// NewLink makes the code of a link that signs the operator in: once, for LinkLife,
// from this machine. It is in this process's memory alone.
func NewLink(now time.Time) string {
	code := rand.Text()
	links.Lock()
	defer links.Unlock()
	for known, until := range links.until {
		if now.After(until) {
			delete(links.until, known)
		}
	}
	links.until[sha256.Sum256([]byte(code))] = now.Add(LinkLife)
	return code
}

// redeem takes a code, which then is used up.
func redeem(code string, now time.Time) bool {
	links.Lock()
	defer links.Unlock()
	sum := sha256.Sum256([]byte(code))
	until, ok := links.until[sum]
	delete(links.until, sum)
	return ok && now.Before(until)
}

// ServeLink exchanges the code of a link for an admin token that ends by itself. The
// dashboard posts it from the part of the address that no server and no log sees.
func (a *Guard) ServeLink(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		problem.Write(w, problem.New(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This path takes POST."))
		return
	}
	if !fromHere(r) {
		problem.Write(w, problem.New(http.StatusForbidden, "LINK_NOT_HERE", "The link signs in on the machine where Attaché runs, at its loopback address. Elsewhere sign in with an admin token."))
		return
	}
	var in struct {
		Code string `json:"code"`
	}
	err := json.NewDecoder(io.LimitReader(r.Body, 1<<12)).Decode(&in)
	now := time.Now()
	if err != nil || !redeem(in.Code, now) {
		a.refuseLink(w, r, now)
		return
	}
	// The name is unique: two links are not opened in the same nanosecond.
	name := "sign-in link " + now.UTC().Format("2006-01-02T15:04:05.000000000Z")
	view := a.v.As(vault.Actor{Kind: "admin", Name: "terminal"}, vault.All)
	x, token, err := view.CreateAdminToken(r.Context(), name, vault.RoleAdmin, vault.All, now.Add(linkSession))
	if err != nil {
		problem.Write(w, problem.Of(err, "TOKEN", a.log))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token.Reveal(), "expires_at": x.ExpiresAt.UTC().Format(time.RFC3339)})
}

func (a *Guard) refuseLink(w http.ResponseWriter, r *http.Request, now time.Time) {
	if wait := a.Failures.Count(r.RemoteAddr, now); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		problem.Write(w, problem.New(http.StatusTooManyRequests, "TOO_MANY_FAILURES", "Too many sign-ins failed from this address. Try again in a minute."))
		return
	}
	_ = a.v.Record(r.Context(), vault.Event{Kind: vault.AuditRefusal, Code: "signin_refused", Actor: vault.Actor{Kind: "person"},
		Method: r.Method, Host: r.Host, Path: r.URL.Path, Status: http.StatusUnauthorized, Detail: "link, from " + r.RemoteAddr})
	problem.Write(w, problem.New(http.StatusUnauthorized, "LINK_USED",
		fmt.Sprintf("This link was used, or is older than %d minutes. Sign in with a token: attache admin token create --name me --role admin.", int(LinkLife.Minutes()))))
}

// fromHere reports whether a request comes from this machine, straight.
func fromHere(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback() && Loopback(r.Host)
}
