package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// playLeaves sends the attack's request and goes away when the service has it: in
// HTTP/2 with the stream reset and the window closed, so that nothing can be
// written to it any more. The audit must tell of it all the same.
func playLeaves(s *stage, a *attack) (broken, record string) {
	id := fmt.Sprintf("a%d", attempts.Add(1))
	st := s.filled(a.step, map[string]string{"id": id})
	st.Door = a.door
	s.got.answer(id, st.Says)
	defer s.got.forget(id)
	conn, err := s.dial(&st)
	if err != nil {
		return err.Error(), ""
	}
	defer conn.Close()
	m := s.compose(&st, id)
	var fr *http2.Framer
	if st.Door == "h2" {
		var out bytes.Buffer
		fr = http2.NewFramer(&out, nil)
		out.WriteString(http2.ClientPreface)
		fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: m.block(), EndHeaders: true, EndStream: true})
		conn.Write(out.Bytes())
	} else {
		io.WriteString(conn, m.bytes())
	}
	for range 100 {
		if len(s.got.of(id)) > 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // the answer has begun
	if fr != nil {
		http2.NewFramer(conn, nil).WriteRSTStream(1, http2.ErrCodeCancel)
		time.Sleep(50 * time.Millisecond)
	}
	conn.Close()
	if len(s.got.of(id)) == 0 {
		return "nothing reached the service: this tests nothing", m.bytes()
	}
	return s.audited(id, st.Holds), clip(m.bytes(), 800)
}

// playLongPath wants the audit to cut a path at 2 KiB, with a sum of the whole.
func playLongPath(s *stage, a *attack) (broken, record string) {
	id := fmt.Sprintf("a%d", attempts.Add(1))
	st := step{Door: a.door, Request: "GET /" + id + "/" + strings.Repeat("long", 2<<10)}
	defer s.got.forget(id)
	s.send(&st, s.compose(&st, id))
	for range 40 {
		if lines := s.log.lines(`"attache.audit"`, "/"+id+"/"); len(lines) > 0 {
			if len(lines[0]) > 4<<10 || !strings.Contains(lines[0], "sha256") {
				return fmt.Sprintf("a line of %d bytes", len(lines[0])), lines[0]
			}
			return "", ""
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "no line of the audit", ""
}
