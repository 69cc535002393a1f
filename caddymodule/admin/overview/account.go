package overview

import (
	"context"
	"net/http"
	"time"

	"github.com/attache-proxy/attache/caddymodule/admin/api"
	"github.com/attache-proxy/attache/caddymodule/admin/rest"
	"github.com/attache-proxy/attache/caddymodule/admin/signin"
	"github.com/attache-proxy/attache/resolver/problem"
)

type healthOut struct {
	Body struct {
		State            string     `json:"state"`
		Since            time.Time  `json:"since" doc:"What is counted here happened since then."`
		Calls            int64      `json:"calls"`
		Errors           int64      `json:"errors"`
		APIErrorRate     float64    `json:"api_error_rate" doc:"Errors per call, from 0 to 1."`
		AuthSuccessRate  *float64   `json:"auth_success_rate" nullable:"true" doc:"Calls that the service did not answer 401, per call, from 0 to 1; null without calls."`
		Refreshes        int64      `json:"refreshes"`
		RefreshFailures  int64      `json:"refresh_failures"`
		TokenExpiresAt   *time.Time `json:"token_expires_at,omitempty"`
		TokenExpiresIn   *int64     `json:"token_expires_in,omitempty" doc:"Seconds; less than 0 when it is over."`
		LastUsedAt       *time.Time `json:"last_used_at,omitempty"`
		LastSuccessAt    *time.Time `json:"last_success_at,omitempty"`
		LastErrorAt      *time.Time `json:"last_error_at,omitempty"`
		LastError        string     `json:"last_error,omitempty" doc:"Of the newer of a call and a refresh that failed."`
		RefreshUncertain bool       `json:"refresh_uncertain,omitempty" doc:"A refresh was begun, and nobody knows how it ended."`
	}
}

type healthIn struct {
	rest.PathID
	Days int `query:"days" minimum:"1" maximum:"90" default:"7" doc:"How far to look back."`
}

func (o overview) accountHealth(ctx context.Context, c *signin.Caller, in *healthIn) (*healthOut, error) {
	if err := api.Counted(in.ID); err != nil {
		return nil, err
	}
	h, err := c.AccountHealth(ctx, in.ID, time.Now().AddDate(0, 0, -in.Days))
	if err != nil {
		return nil, err
	}
	out := &healthOut{}
	b := &out.Body
	b.State, b.Since, b.Calls, b.Errors, b.Refreshes, b.RefreshFailures = string(h.State), h.Since.UTC(), h.Calls, h.Errors, h.Refreshes, h.RefreshFailures
	if h.Calls > 0 {
		b.APIErrorRate = float64(h.Errors) / float64(h.Calls)
		taken := 1 - float64(h.AuthErrors)/float64(h.Calls)
		b.AuthSuccessRate = &taken
	}
	b.LastUsedAt, b.LastSuccessAt, b.LastErrorAt, b.LastError = rest.OptionalTime(h.LastUsed), rest.OptionalTime(h.LastSuccess), rest.OptionalTime(h.LastErrorAt), h.LastError
	b.TokenExpiresAt, b.RefreshUncertain = rest.OptionalTime(h.ExpiresAt), h.IntentAbandoned
	if !h.ExpiresAt.IsZero() {
		left := int64(time.Until(h.ExpiresAt).Seconds())
		b.TokenExpiresIn = &left
	}
	return out, nil
}

type accountUsageIn struct {
	rest.PathID
	Start string `query:"start" doc:"The first day (UTC), such as 2026-01-31, or a moment of it (RFC 3339). Default: 30 days before the last."`
	End   string `query:"end" doc:"The last day (UTC), in the same form. Default: today."`
	Top   int    `query:"top" minimum:"0" maximum:"100" default:"10" doc:"How many of the most used paths."`
}

type usageOut struct {
	Body struct {
		Start    string      `json:"start"`
		End      string      `json:"end"`
		Calls    int64       `json:"calls"`
		Errors   int64       `json:"errors"`
		BytesIn  int64       `json:"bytes_in" doc:"Of requests' bodies."`
		BytesOut int64       `json:"bytes_out" doc:"Of answers' bodies."`
		Days     []UsageDay  `json:"days" doc:"Days without calls are left out."`
		Paths    []PathUsage `json:"paths" doc:"The most used first; ids in paths are *."`
	}
}

type UsageDay struct {
	Day        string `json:"day" format:"date"`
	Calls      int64  `json:"calls"`
	Errors     int64  `json:"errors"`
	AuthErrors int64  `json:"auth_errors" doc:"Answers 401."`
	BytesIn    int64  `json:"bytes_in"`
	BytesOut   int64  `json:"bytes_out"`
}

type PathUsage struct {
	Path  string `json:"path" example:"GET /users/*"`
	Calls int64  `json:"calls"`
}

// day reads a date of a query, or takes the default.
func day(name, s string, otherwise time.Time) (time.Time, error) {
	if s == "" {
		return otherwise, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "A day is written as 2026-01-31.").At("query."+name, "is no day")
}

func (o overview) accountUsage(ctx context.Context, c *signin.Caller, in *accountUsageIn) (*usageOut, error) {
	if err := api.Counted(in.ID); err != nil {
		return nil, err
	}
	end, err := day("end", in.End, time.Now().UTC())
	if err != nil {
		return nil, err
	}
	start, err := day("start", in.Start, end.AddDate(0, 0, -30))
	if err != nil {
		return nil, err
	}
	if start.After(end) {
		return nil, problem.New(http.StatusUnprocessableEntity, "INVALID_INPUT", "start lies after end.").At("query.start", "lies after end")
	}
	days, err := c.Usage(ctx, in.ID, start, end)
	if err != nil {
		return nil, err
	}
	paths, err := c.TopPaths(ctx, in.ID, start, end, in.Top)
	if err != nil {
		return nil, err
	}
	out := &usageOut{}
	b := &out.Body
	b.Start, b.End, b.Days, b.Paths = start.Format(time.DateOnly), end.Format(time.DateOnly), []UsageDay{}, []PathUsage{}
	for _, d := range days {
		b.Calls += d.Calls
		b.Errors += d.Errors
		b.BytesIn += d.BytesIn
		b.BytesOut += d.BytesOut
		b.Days = append(b.Days, UsageDay{d.Day.Format(time.DateOnly), d.Calls, d.Errors, d.AuthErrors, d.BytesIn, d.BytesOut})
	}
	for _, p := range paths {
		b.Paths = append(b.Paths, PathUsage{p.Path, p.Calls})
	}
	return out, nil
}
