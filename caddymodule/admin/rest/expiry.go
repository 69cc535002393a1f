package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/attache-proxy/attache/resolver/problem"
)

// Ending is an expires_at in an edit: absent it stays as it is, null takes it away.
type Ending struct {
	Sent bool
	At   time.Time // zero: never
}

// UnmarshalJSON reads a moment or null.
func (e *Ending) UnmarshalJSON(b []byte) error {
	e.Sent = true
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	return json.Unmarshal(b, &e.At)
}

// Schema implements huma.SchemaProvider.
func (*Ending) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeFor[time.Time]())
	s.Nullable = true
	s.Description = "null: never."
	return &s
}

// Edit is what the vault takes: nil leaves the end as it is.
func (e Ending) Edit() (*time.Time, error) {
	if !e.Sent {
		return nil, nil
	}
	return &e.At, Ahead(e.At)
}

// Ahead refuses an expires_at that is over: nobody makes on purpose what never works.
func Ahead(end time.Time) error {
	if end.IsZero() || end.After(time.Now()) {
		return nil
	}
	return problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "expires_at lies in the past. Name a moment that is to come, or leave it out for no end.").At("body.expires_at", "lies in the past")
}
