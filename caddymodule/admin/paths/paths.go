// Package paths is where the rooms of the administration are in a URL.
package paths

import "strings"

// API is the path below which the API is.
const API = "/api/v1"

// Below reports whether a path is base, or below it.
func Below(path, base string) bool { return path == base || strings.HasPrefix(path, base+"/") }

// Callback is where services send people back to.
const Callback = "/oauth/callback"

// ClientDocument is where authorization servers read who we are, where they
// take that instead of a registration.
const ClientDocument = "/oauth/client.json"

// KeyDirectory is where services find the keys with which accounts sign messages.
const KeyDirectory = "/.well-known/http-message-signatures-directory"

// Connect is below which people connect accounts: Connect/TOKEN for the
// links that operators make, Connect/acc_… for those that agents are given.
const Connect = "/connect"

// Where people sign in. These are for browsers, and no part of the document
// that describes the API. SignInLink takes what a link on the terminal says.
const (
	SignIn         = API + "/session/sign-in"
	SignInCallback = API + "/session/callback"
	SignInLink     = API + "/session/link"
)

// UI is the path below which the dashboard is: a page that uses the API like
// any other caller. It has no session of its own; the token that a person pastes
// stays in the tab and is sent as a header, so that no other page can use it.
const UI = "/ui"

// Serves reports whether a path is ours: the API's, the dashboard's, the connect
// pages' or the OAuth callback.
func Serves(path string) bool {
	return Below(path, API) || Below(path, UI) || Below(path, Connect) || path == Callback || path == ClientDocument || path == KeyDirectory
}

// Secret reports whether a path or its query may hold a secret, so that it must
// not stand in a log: a connect link's token, a callback's code and state.
func Secret(path string) bool {
	return Below(path, Connect) || path == Callback || path == SignInCallback
}
