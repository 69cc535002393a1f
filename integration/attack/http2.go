package main

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// exchange2 sends a message in HTTP/2, frame by frame: as it is, without what a
// client would mend. A header named ":path" and the like is a pseudo-header.
func exchange2(conn net.Conn, m message) answer {
	fr := http2.NewFramer(conn, conn)
	fr.AllowIllegalWrites = true
	fr.ReadMetaHeaders = hpack.NewDecoder(65536, nil)
	conn.Write([]byte(http2.ClientPreface))
	fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 24})
	fr.WriteWindowUpdate(0, 1<<24)
	body := m.body + m.after
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: m.block(), EndHeaders: true, EndStream: body == ""})
	if body != "" {
		fr.WriteData(1, true, []byte(body))
	}
	return read2(conn, fr)
}

// block is the message's headers, compressed.
func (m message) block() []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	given := map[string]bool{}
	field := func(name, value string) { enc.WriteField(hpack.HeaderField{Name: name, Value: value}) }
	var rest [][2]string
	for _, line := range m.headers {
		name, value, _ := strings.Cut(line[min(1, len(line)):], ":")
		name, value = strings.ToLower(line[:min(1, len(line))]+name), strings.TrimPrefix(value, " ")
		switch {
		case strings.HasPrefix(name, ":"):
			given[name] = true
			field(name, value)
		case name != "connection" || !strings.EqualFold(value, "close"):
			rest = append(rest, [2]string{name, value})
		}
	}
	for _, p := range [][2]string{{":method", m.method}, {":scheme", "https"}, {":authority", m.host}, {":path", m.target}} {
		if !given[p[0]] {
			field(p[0], p[1])
		}
	}
	for _, h := range rest {
		field(h[0], h[1])
	}
	return b.Bytes()
}

// read2 reads stream 1 to its end.
func read2(conn net.Conn, fr *http2.Framer) (a answer) {
	var raw, head, data strings.Builder
	var pieces []string
	coding := ""
	defer func() {
		a.raw, a.read, a.pieces = raw.String(), head.String()+opened(coding, []byte(data.String())), strings.Join(pieces, " ")
	}()
	for data.Len() < 8<<20 {
		conn.SetReadDeadline(time.Now().Add(patience))
		f, err := fr.ReadFrame()
		if err != nil {
			fmt.Fprintf(&raw, "[%v]\n", err)
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				fr.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			for _, h := range f.Fields {
				fmt.Fprintf(&head, "%s: %s\n", h.Name, h.Value)
				switch h.Name {
				case ":status":
					if status, _ := strconv.Atoi(h.Value); status >= 200 {
						a.status, a.count = status, a.count+1
					}
				case "attache-error":
					a.refusal = h.Value
				case "content-encoding":
					coding = h.Value
				}
			}
			raw.WriteString(head.String())
			if f.StreamEnded() {
				return
			}
		case *http2.DataFrame:
			data.Write(f.Data())
			raw.Write(f.Data())
			pieces = append(pieces, strconv.Itoa(len(f.Data())))
			if f.StreamEnded() {
				return
			}
		case *http2.RSTStreamFrame:
			fmt.Fprintf(&raw, "[RST_STREAM %v]\n", f.ErrCode)
			pieces = append(pieces, "reset")
			return
		case *http2.GoAwayFrame:
			fmt.Fprintf(&raw, "[GOAWAY %v %s]\n", f.ErrCode, f.DebugData())
			return
		}
	}
	return
}
