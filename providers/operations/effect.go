package operations

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// The words that tell an effect, of names and of the fixed text of templates. What none of
// them tells is what the method says.
var (
	// changing are verbs of which a request that begins with one is no reading one,
	// whatever its method.
	changing = words(`accept activate add apply approve archive assign attach authorize ban block cancel change clear clone
		close complete confirm connect copy create deactivate delete deny destroy detach disable disconnect dismiss
		duplicate edit enable enroll exchange execute expire finish follow generate grant import increment insert install
		invite invoke issue join kick kill leave link lock mark merge migrate modify move mute open patch pause pay
		post publish purge put refresh register reject release remove rename renew reopen replace reply reset restart
		restore resume retry revoke rotate run save schedule send set share sign start stop submit subscribe suspend
		swap sync terminate toggle transfer trash trigger unban unblock undelete unfollow uninstall unlink unlock unmute
		unpublish unsubscribe update upload upsert vote withdraw write`)
	// deleting are verbs after which something is gone.
	deleting = words(`delete deletes deleted destroy purge remove removes revoke trash erase wipe terminate deregister
		unregister uninstall drop prune`)
	// reading are verbs of requests that read by POST.
	reading = words(`search list get describe lookup count`)
	// access are what decides who may do what, and where data goes by itself.
	access = words(`member members membership memberships collaborator collaborators permission permissions role roles
		acl acls policy policies iam admin admins owner owners invitation invitations invite invites key keys apikey
		apikeys token tokens secret secrets credential credentials password passwords passkey passkeys certificate
		certificates hook hooks webhook webhooks sso saml scim mfa oauth ruleset rulesets protection impersonate
		serviceaccount serviceaccounts`)
	// money are what is paid.
	money = words(`charge charges refund refunds payout payouts transfers payment payments orders withdrawal withdrawals
		withdraw purchase purchases disbursement disbursements payroll payrolls`)
	// minting are words after which a POST that gets something makes it.
	minting = words(`token tokens secret secrets credential credentials password passwords key keys`)
)

func words(s string) []string {
	out := strings.Fields(s)
	slices.Sort(out)
	return out
}

func among(list []string, word string) bool {
	_, found := slices.BinarySearch(list, word)
	return found
}

func some(list, of []string) bool {
	return slices.ContainsFunc(of, func(w string) bool { return among(list, w) })
}

// EffectOf tells an operation's effect by its method, name and template. It is strict:
// what is unsure writes. The rules stand in docs/operations-of-requests.md.
func EffectOf(method, name, template string) Effect {
	path, _, _ := strings.Cut(template, "?")
	act := splitWords(action(name))
	fixed := splitWords(fixedText(path))
	all := append(slices.Clone(act), fixed...)
	if strings.ContainsRune(name, ' ') { // it is the template
		act = splitWords(lastFixed(path))
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, "QUERY":
		if len(act) == 0 || !among(changing, act[0]) && !among(deleting, act[0]) {
			return Read
		}
	case http.MethodPost, Action:
		if readsByPost(name, act, path) {
			return Read
		}
	}
	switch {
	case some(money, all), slices.Contains(all, "pay") && slices.Contains(all, "invoices"), pair(all, "place", "order"), pair(all, "create", "order"):
		return Money
	case some(access, all) && !slices.Contains(act, "count"):
		return Admin
	case method == http.MethodDelete, some(deleting, act), some(deleting, splitWords(lastFixed(path))):
		return Delete
	}
	return Write
}

// pair reports two words that follow each other.
func pair(all []string, a, b string) bool {
	for i := range len(all) - 1 {
		if all[i] == a && all[i+1] == b {
			return true
		}
	}
	return false
}

// readsByPost reports a POST of which the description says that it only looks something
// up: by a verb of its name in front (searchIssues) or as the last part of it
// (conversations.list, accountsGet), or by a path that ends in /search.
func readsByPost(name string, act []string, path string) bool {
	if len(act) == 0 || some(minting, act) {
		return false
	}
	for i, w := range act {
		if among(changing, w) || among(deleting, w) || w == "or" && i > 0 {
			return false
		}
	}
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case among(reading, act[0]):
		return true
	case act[len(act)-1] == "get", act[len(act)-1] == "search":
		return true
	}
	return last == "search" || last == "_search" || last == "_count" || strings.HasSuffix(last, ":search")
}

// action is the part of a name that says what is done: what stands behind the last / or
// dot of issues/create and chat.postMessage.
func action(name string) string {
	return name[strings.LastIndexAny(name, "/.:")+1:]
}

// fixedText is a template without its parameters.
func fixedText(path string) string {
	var b strings.Builder
	depth := 0
	for _, r := range path {
		switch {
		case r == '{':
			depth++
		case r == '}':
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// lastFixed is the last segment of a template that has fixed text, if it is the last or
// the last but one.
func lastFixed(path string) string {
	segs := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i := len(segs) - 1; i >= max(0, len(segs)-2); i-- {
		if text := fixedText(segs[i]); text != "" {
			return text
		}
	}
	return ""
}

// splitWords takes names apart at case and signs: createPullRequest, list_users, HTTPGet.
func splitWords(s string) []string {
	var out []string
	rs := []rune(s)
	start := 0
	flush := func(end int) {
		if end > start {
			out = append(out, strings.ToLower(string(rs[start:end])))
		}
	}
	for i, r := range rs {
		switch {
		case !unicode.IsLetter(r):
			flush(i)
			start = i + 1
		case i > start && unicode.IsUpper(r) && (!unicode.IsUpper(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1])):
			flush(i)
			start = i
		}
	}
	flush(len(rs))
	return out
}
