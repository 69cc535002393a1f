package admin

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed ui
var uiFiles embed.FS

// UI is the path below which the dashboard is: a page that uses the API like
// any other caller. It has no session of its own; the token that a person pastes
// stays in the tab and is sent as a header, so that no other page can use it.
const UI = "/ui"

// Serves reports whether a path is ours: the API's, the dashboard's, the connect
// pages' or the OAuth callback.
func Serves(path string) bool {
	return below(path, Base) || below(path, UI) || below(path, ConnectPath) || path == CallbackPath || path == ClientDocumentPath
}

// Secret reports whether a path or its query may hold a secret, so that it must
// not stand in a log: a connect link's token, a callback's code and state.
func Secret(path string) bool {
	return below(path, ConnectPath) || path == CallbackPath || path == SignInCallback
}

// uiPolicy lets the page load its own files and talk to this server, and
// nothing else.
const uiPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// dashboard serves the embedded page.
func dashboard() http.Handler {
	files, err := fs.Sub(uiFiles, "ui")
	if err != nil {
		panic(err) // embedded above
	}
	serve := http.StripPrefix(UI, http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			writeProblem(w, problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This path takes GET."))
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", uiPolicy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		// The dashboard hears from the pop-ups that it opens for connecting.
		h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
		h.Set("Cache-Control", "no-cache")
		if r.URL.Path == UI {
			http.Redirect(w, r, UI+"/", http.StatusMovedPermanently)
			return
		}
		serve.ServeHTTP(w, r)
	})
}
