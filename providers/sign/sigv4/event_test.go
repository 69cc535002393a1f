package sigv4_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

// event frames a message of an event stream.
func event(headers, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func dateHeader(t time.Time) []byte {
	return binary.BigEndian.AppendUint64([]byte("\x05:date\x08"), uint64(t.UnixMilli()))
}

func signatureHeader(sig []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte("\x10:chunk-signature\x06"), uint16(len(sig)))
	return append(b, sig...)
}

func eventRequest(t *testing.T, body []byte, at time.Time) *http.Request {
	t.Helper()
	r := request(t, "POST", "https://transcribestreaming.us-east-1.amazonaws.com/stream-transcription", "")
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
	o := sigv4.Options{Keys: sigv4.Keys{ID: "AKID", Secret: "SECRET"}, Hash: sigv4.StreamingEvents,
		Scope: sigv4.Scope{Scheme: sigv4.Schemes["aws"], Region: "us-east-1", Service: "transcribe", Time: at}}
	if err := sigv4.Stream(r, o); err != nil {
		t.Fatal(err)
	}
	return r
}

// The messages are compared to those that the AWS SDK for Go signs, also
// across midnight, when the scope changes.
func TestEvents(t *testing.T) {
	at := time.Date(2024, 2, 29, 23, 59, 58, 0, time.UTC)
	dummy := signatureHeader(make([]byte, 32))
	var in []byte
	payloads := []string{"first message", "second", "", "x"}
	for i, p := range payloads {
		in = append(in, event(append(dateHeader(at.Add(time.Duration(i)*time.Second)), dummy...), []byte(p))...)
	}
	r := eventRequest(t, in, at)
	got, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := hex.DecodeString(signature(r))
	if err != nil {
		t.Fatal(err)
	}
	sdk := v4.NewStreamSigner(aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET"}, "transcribe", "us-east-1", seed)
	var want []byte
	for i, p := range payloads {
		when := at.Add(time.Duration(i) * time.Second)
		date := dateHeader(when)
		sig, err := sdk.GetSignature(context.Background(), date, []byte(p), when)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, event(append(date, signatureHeader(sig)...), []byte(p))...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the stream is\n%x\nwant\n%x", got, want)
	}
}

func TestBadEvents(t *testing.T) {
	at := time.Unix(1e9, 0)
	good := event(dateHeader(at), []byte("x"))
	flip := func(i int) []byte { b := bytes.Clone(good); b[i] ^= 1; return b }
	huge := binary.BigEndian.AppendUint64(nil, 0xffffffff00000000)
	huge = binary.BigEndian.AppendUint32(huge, crc32.ChecksumIEEE(huge))
	short := binary.BigEndian.AppendUint64(nil, 0x0000001000000005)
	short = binary.BigEndian.AppendUint32(short, crc32.ChecksumIEEE(short))
	tests := []struct {
		name string
		body []byte
		want string
	}{
		{"cut in the prelude", good[:7], "breaks off"},
		{"cut in the message", good[:20], "breaks off"},
		{"first sum", flip(8), "first checksum"},
		{"last sum", flip(len(good) - 6), "last checksum"},
		{"too long", huge, "too long"},
		{"lengths", short, "contradict"},
		{"no date", event(signatureHeader(nil), nil), "without :date"},
		{"headers cut", event([]byte("\x05:da"), nil), "cut off"},
		{"unknown type", event([]byte("\x01a\x63"), nil), "cut off"},
		{"value cut", event([]byte("\x01a\x06\x00\x09x"), nil), "cut off"},
		{"length cut", event([]byte("\x01a\x06\x00"), nil), "cut off"},
	}
	for _, tt := range tests {
		_, err := io.ReadAll(eventRequest(t, tt.body, at).Body)
		if !errors.Is(err, sigv4.ErrEvent) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: reading the body = %v, want ErrEvent: %s", tt.name, err, tt.want)
		}
	}
}
