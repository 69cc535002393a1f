package oauthtest

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"time"
)

// Chances is a Fault by lot: each field is a share of requests from 0 to 1.
type Chances struct {
	DropBefore  float64 `json:"drop_before"`
	DropAfter   float64 `json:"drop_after"`
	Error       float64 `json:"error"`   // one of the temporary answers
	Garbage     float64 `json:"garbage"` // one of BadAnswers
	Delay       float64 `json:"delay"`   // by up to MaxDelay
	DelayAnswer float64 `json:"delay_answer"`
	MaxDelayMS  int     `json:"max_delay_ms"`
}

// Fault draws lots.
func (c Chances) Fault(*Call) Fault {
	hit := func(share float64) bool { return rand.Float64() < share }
	var f Fault
	delay := func() time.Duration { return time.Duration(rand.IntN(c.MaxDelayMS+1)) * time.Millisecond }
	if hit(c.Delay) {
		f.Delay = delay()
	}
	if hit(c.DelayAnswer) {
		f.DelayAnswer = delay()
	}
	switch {
	case hit(c.DropBefore):
		f.DropBefore = true
	case hit(c.DropAfter):
		f.DropAfter = true
	case hit(c.Error):
		f.Answer = &Answer{Status: []int{500, 502, 503, 429}[rand.IntN(4)], Header: media("text/html"), Body: "<html>"}
	case hit(c.Garbage):
		f.Answer = &BadAnswers[rand.IntN(len(BadAnswers))]
	}
	return f
}

// Control steers an Endpoint over HTTP, for tests with several processes:
//
//	POST /issue?account=A     → {"refresh_token":…,"access_token":…}
//	POST /approve?user_code=U&account=A
//	POST /kill?account=A
//	POST /chances  {"drop_after":0.01,…}
//	GET  /stats    → Stats
func (e *Endpoint) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /issue", func(w http.ResponseWriter, r *http.Request) {
		refresh, access := e.Issue(r.FormValue("account"))
		answer(w, http.StatusOK, map[string]any{"refresh_token": refresh, "access_token": access})
	})
	mux.HandleFunc("POST /approve", func(w http.ResponseWriter, r *http.Request) {
		if !e.Approve(r.FormValue("user_code"), r.FormValue("account")) {
			http.NotFound(w, r)
		}
	})
	mux.HandleFunc("POST /kill", func(_ http.ResponseWriter, r *http.Request) { e.Kill(r.FormValue("account")) })
	mux.HandleFunc("POST /chances", func(w http.ResponseWriter, r *http.Request) {
		var c Chances
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		e.SetFault(c.Fault)
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", asJSON)
		_ = json.NewEncoder(w).Encode(e.Stats())
	})
	return mux
}
