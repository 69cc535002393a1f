package sigv4

import (
	"io"
	"net/http"
	"strconv"
)

// IsStreaming reports whether hash announces a body that is signed, or at least
// framed, while it is sent.
func IsStreaming(hash string) bool {
	switch hash {
	case Streaming, StreamingTrailer, StreamingUnsigned, StreamingECDSA, StreamingECDSATrail, StreamingEvents:
		return true
	}
	return false
}

// Stream signs r in its headers and its body while it is sent. o.Hash says how
// the agent framed the body. Reading the new body fails with ErrChunk when the
// framing is malformed; then nothing more of it is sent.
func Stream(r *http.Request, o Options) error {
	trailer := false
	switch o.Hash {
	case StreamingTrailer, StreamingUnsigned, StreamingECDSATrail:
		trailer = true
	}
	o.Hash = streamHash(o.Hash, o.RegionSet != "")
	o.SendHash = true
	from, err := signHeader(r, o)
	if err != nil || r.Body == nil || r.Body == http.NoBody {
		return err
	}
	switch o.Hash {
	case StreamingEvents:
		r.Body = newEvents(r.Body, from)
	case StreamingUnsigned:
		r.Body = newChunks(r.Body, nil, trailer, decodedLength(r))
	default:
		r.Body = newChunks(r.Body, from, trailer, decodedLength(r))
	}
	r.GetBody = nil // it can be read but once
	return nil
}

// streamHash is the announcement for the algorithm that we sign with.
func streamHash(agents string, ecdsa bool) string {
	switch {
	case agents == Streaming && ecdsa:
		return StreamingECDSA
	case agents == StreamingTrailer && ecdsa:
		return StreamingECDSATrail
	case agents == StreamingECDSA && !ecdsa:
		return Streaming
	case agents == StreamingECDSATrail && !ecdsa:
		return StreamingTrailer
	}
	return agents
}

// LengthKept reports whether a stream that the agent announced as agents is as
// long after signing as before: the two algorithms' signatures differ in length.
func LengthKept(agents string, ecdsa bool) bool { return streamHash(agents, ecdsa) == agents }

func decodedLength(r *http.Request) int64 {
	n, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// DecodeChunks gives the data of an aws-chunked body, without its signatures
// and trailer. It fails with ErrChunk as Stream's body does.
func DecodeChunks(body io.Reader, trailer bool) io.Reader {
	c := newChunks(io.NopCloser(body), nil, trailer, -1).(*chunks)
	return &decoded{c}
}

type decoded struct{ c *chunks }

func (d *decoded) Read(p []byte) (int, error) {
	for {
		if d.c.err != nil {
			return 0, d.c.err
		}
		if d.c.pass > 0 {
			return d.c.through(p)
		}
		d.c.out = d.c.room[:0]
		d.c.err = d.c.next()
		d.c.room = d.c.out
	}
}
