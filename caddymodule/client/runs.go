package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/attache-proxy/attache/providers/secret"
)

// RunsPath is where runs of commands are opened.
const RunsPath = WellKnown + "/runs"

// NewRun is what is told of a run to open it.
type NewRun struct {
	// Program is the name of the command's file, without its arguments: they may hold
	// secrets. User and Host are who started it, and where.
	Program string `json:"program"`
	User    string `json:"user,omitempty"`
	Host    string `json:"host,omitempty"`
	// LaunchKey shows that the run is confined; empty where it is not.
	LaunchKey string `json:"launch_key,omitempty"`
}

// Run is a run that was opened.
type Run struct {
	ID string `json:"id"`
	// Token is the agent's until the run ends.
	Token string `json:"token"`
	// Confined says that the proxy believes it.
	Confined bool `json:"confined"`
	// BeatSeconds is how often the proxy wants to hear that it goes on.
	BeatSeconds int `json:"beat_seconds"`
}

// RunGoesOn is the answer to what is said of a run.
type RunGoesOn struct {
	ID string `json:"id"`
}

// OpenRun opens a run. The launch key goes to nobody who has not proven to know it.
func (c *Client) OpenRun(ctx context.Context, n NewRun, launchKey secret.Value) (*Run, error) {
	if err := c.prove(ctx); err != nil {
		return nil, err
	}
	if !launchKey.IsZero() {
		if err := c.proves(ctx, launchKey); err != nil {
			return nil, err
		}
		n.LaunchKey = launchKey.Reveal()
	}
	var out Run
	if _, err := c.exchange(ctx, http.MethodPost, RunsPath, c.Token, n, &out); err != nil {
		return nil, err
	}
	if out.ID == "" || out.Token == "" {
		return nil, c.stranger("its answer names no run")
	}
	return &out, nil
}

// BeatRun says, with a run's token, that it goes on.
func (c *Client) BeatRun(ctx context.Context, id string, token secret.Value) error {
	_, err := c.exchange(ctx, http.MethodPost, RunsPath+"/"+url.PathEscape(id), token, nil, nil)
	return err
}

// EndRun ends a run.
func (c *Client) EndRun(ctx context.Context, id string, token secret.Value) error {
	_, err := c.exchange(ctx, http.MethodDelete, RunsPath+"/"+url.PathEscape(id), token, nil, nil)
	return err
}
