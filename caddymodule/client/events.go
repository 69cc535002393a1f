package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// silence is how long a stream may say nothing: the API speaks every 15 s.
	silence = time.Minute
	// maxEvent bounds one line of a stream, in bytes.
	maxEvent = 1 << 20
)

// Events reads the stream of events (text/event-stream) and hands each over with
// its id, until the stream ends or each returns an error. With after it goes on
// after that event. connected is called when the stream is open.
func (a *API) Events(ctx context.Context, query url.Values, after string, connected func(), each func(id string, data json.RawMessage) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	header := http.Header{"Accept": {"text/event-stream"}}
	if after != "" {
		header.Set("Last-Event-ID", after)
	}
	res, err := a.send(ctx, http.MethodGet, "/events", query, header, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	connected()
	watch := time.AfterFunc(silence, func() { cancel(errors.New("it said nothing for " + silence.String())) })
	defer watch.Stop()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEvent)
	var id string
	var data []byte
	for lines.Scan() {
		watch.Reset(silence)
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			id = string(value)
		case "data":
			data = append(data, value...)
		case "": // a comment, or the end of an event
			if len(lines.Bytes()) > 0 || len(data) == 0 {
				continue
			}
			if !json.Valid(data) {
				return a.stranger("an event is no JSON")
			}
			if err := each(id, data); err != nil {
				return err
			}
			data = nil
		}
	}
	if err := context.Cause(ctx); err != nil {
		return a.unreachable(err)
	}
	if err := lines.Err(); err != nil {
		return a.unreachable(err)
	}
	return a.unreachable(io.ErrUnexpectedEOF)
}
