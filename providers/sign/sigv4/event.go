package sigv4

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// Event streams (application/vnd.amazon.eventstream) carry messages of
//
//	length(4) headers-length(4) crc(4) headers payload crc(4)
//
// Each signed message has the headers :date and :chunk-signature, and another
// message as its payload. The inner one stays; the outer one is made anew, with
// a signature that goes on from the one before.
// https://docs.aws.amazon.com/transcribe/latest/dg/streaming-http2.html
type events struct {
	src  io.ReadCloser
	from *seed
	out  []byte
	err  error
}

const (
	eventPrelude = 12
	eventFrame   = eventPrelude + 4 // with the last crc
	maxEvent     = 16 << 20         // bytes; the services' limit
	typeBytes    = 6                // of a header value
	typeTime     = 8
)

// ErrEvent is what a malformed event stream is refused with. It is wrapped.
var ErrEvent = errors.New("malformed event stream")

func badEvent(why string) error { return fmt.Errorf("%w: %s", ErrEvent, why) }

func newEvents(body io.ReadCloser, from *seed) io.ReadCloser { return &events{src: body, from: from} }

func (e *events) Read(p []byte) (int, error) {
	for len(e.out) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.out, e.err = e.next()
	}
	n := copy(p, e.out)
	e.out = e.out[n:]
	return n, nil
}

func (e *events) Close() error { return e.src.Close() }

// next reads one message and returns it signed anew.
func (e *events) next() ([]byte, error) {
	msg, err := readEvent(e.src)
	if err != nil {
		return nil, err
	}
	headers, payload := msg[eventPrelude:], msg[eventPrelude+binary.BigEndian.Uint32(msg[4:]):]
	headers = headers[:binary.BigEndian.Uint32(msg[4:])]
	payload = payload[:len(payload)-4]
	when, err := eventTime(headers)
	if err != nil {
		return nil, err
	}
	date := make([]byte, 0, 15)
	date = append(date, 5)
	date = append(date, ":date"...)
	date = binary.BigEndian.AppendUint64(append(date, typeTime), uint64(when.UnixMilli()))
	scope := e.from.scope
	scope.Time = when
	text := e.from.algorithm + "-PAYLOAD\n" + scope.date() + "\n" + scope.String() + "\n" + e.from.signature + "\n" + HashHex(date) + "\n" + HashHex(payload)
	if scope.String() != e.from.scope.String() { // a new day
		e.from.scope, e.from.signer = scope, derive(e.from.keys, scope)
	}
	if e.from.signature, err = e.from.signer.sign(text); err != nil {
		return nil, err
	}
	sig, err := hex.DecodeString(e.from.signature)
	if err != nil {
		return nil, err
	}
	head := append(date, 16)
	head = append(head, ":chunk-signature"...)
	head = append(head, typeBytes)
	head = binary.BigEndian.AppendUint16(head, uint16(len(sig)))
	return writeEvent(append(head, sig...), payload), nil
}

// readEvent reads one message and checks its lengths and sums.
func readEvent(r io.Reader) ([]byte, error) {
	var prelude [eventPrelude]byte
	if _, err := io.ReadFull(r, prelude[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, badEvent("it breaks off")
		}
		return nil, err // io.EOF: between messages
	}
	size, headers := binary.BigEndian.Uint32(prelude[:]), binary.BigEndian.Uint32(prelude[4:])
	switch {
	case crc32.ChecksumIEEE(prelude[:8]) != binary.BigEndian.Uint32(prelude[8:]):
		return nil, badEvent("a message's first checksum is wrong")
	case size > maxEvent:
		return nil, badEvent("a message is too long")
	case size < eventFrame || headers > size-eventFrame:
		return nil, badEvent("a message's lengths contradict each other")
	}
	msg := make([]byte, size)
	copy(msg, prelude[:])
	if _, err := io.ReadFull(r, msg[eventPrelude:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, badEvent("it breaks off")
		}
		return nil, err
	}
	if crc32.ChecksumIEEE(msg[:size-4]) != binary.BigEndian.Uint32(msg[size-4:]) {
		return nil, badEvent("a message's last checksum is wrong")
	}
	return msg, nil
}

func writeEvent(headers, payload []byte) []byte {
	msg := make([]byte, 0, eventFrame+len(headers)+len(payload))
	msg = binary.BigEndian.AppendUint32(msg, uint32(eventFrame+len(headers)+len(payload)))
	msg = binary.BigEndian.AppendUint32(msg, uint32(len(headers)))
	msg = binary.BigEndian.AppendUint32(msg, crc32.ChecksumIEEE(msg))
	msg = append(append(msg, headers...), payload...)
	return binary.BigEndian.AppendUint32(msg, crc32.ChecksumIEEE(msg))
}

// valueSizes are the lengths of header values by their type; -1 means that two
// bytes of length come first.
var valueSizes = []int{0, 0, 1, 2, 4, 8, -1, -1, 8, 16}

// eventTime finds :date among the headers of a signed message.
func eventTime(b []byte) (time.Time, error) {
	for len(b) > 0 {
		n := int(b[0])
		if len(b) < n+2 || int(b[n+1]) >= len(valueSizes) {
			return time.Time{}, badEvent("a message's headers are cut off")
		}
		name, kind := string(b[1:n+1]), b[n+1]
		b = b[n+2:]
		size := valueSizes[kind]
		if size < 0 {
			if len(b) < 2 {
				return time.Time{}, badEvent("a message's headers are cut off")
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if len(b) < size {
			return time.Time{}, badEvent("a message's headers are cut off")
		}
		if name == ":date" && kind == typeTime {
			return time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC(), nil
		}
		b = b[size:]
	}
	return time.Time{}, badEvent("a message without :date; want signed messages")
}
