package refusal

import "net/http"

// Headers that only we set in an answer: the code of a refusal, and where a person
// connects an account.
const (
	HeaderError      = "Attache-Error"
	HeaderConnectURL = "Attache-Connect-Url"
)

// DropHeaders takes them off what a service says: it must not speak for us.
func DropHeaders(h http.Header) {
	delete(h, HeaderError)
	delete(h, HeaderConnectURL)
}
