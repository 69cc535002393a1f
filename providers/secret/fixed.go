package secret

import "strings"

// FixedHosts names, among the values of a client (oauth.Request.App), the hosts that
// whoever entered its secret fixed: the client's proofs, refresh tokens, codes and
// assertions go there and nowhere else, whatever the connector or the account's
// fields say by then. A client without the value is of the operator's own file,
// where both stand together. No template can read a name with an @.
const FixedHosts = "@endpoints"

// Fixed makes the value of FixedHosts. Without hosts nothing may be sent.
func Fixed(hosts []string) Value { return New("to " + strings.Join(hosts, " ")) }

// HostsOf are the hosts that a client's values fix; none where nothing may be sent.
func HostsOf(app Values) []string {
	return strings.Fields(strings.TrimPrefix(app.Get(FixedHosts).Reveal(), "to "))
}
