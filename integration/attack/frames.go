package main

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// floods are frames that cost their sender little and a careless server much. None of
// their answers is read.
var floods = map[string]func(fr *http2.Framer, n uint32, block []byte) error{
	"settings": func(fr *http2.Framer, n uint32, _ []byte) error {
		return fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: n % 65535})
	},
	"ping": func(fr *http2.Framer, n uint32, _ []byte) error {
		return fr.WritePing(false, [8]byte{byte(n), byte(n >> 8)})
	},
	"reset": func(fr *http2.Framer, n uint32, block []byte) error {
		if err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*n + 1, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
			return err
		}
		return fr.WriteRSTStream(2*n+1, http2.ErrCodeCancel)
	},
	"continuation": func(fr *http2.Framer, n uint32, block []byte) error {
		if n == 0 {
			return fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block})
		}
		return fr.WriteContinuation(1, false, bytes.Repeat([]byte{0x00, 0x01, 'x', 0x01, 'y'}, 1600))
	},
	"priority": func(fr *http2.Framer, n uint32, _ []byte) error {
		return fr.WritePriority(2*n+1, http2.PriorityParam{StreamDep: 2*n + 3, Weight: byte(n)})
	},
}

// playFrames floods the server inside tunnels with the frames that Request names, on
// eight connections at once. Another agent is served meanwhile, and the proxy keeps
// its size.
func playFrames(s *stage, a *attack) (broken, record string) {
	const connections, most, long = 8, 50000, 2 * time.Second
	flood := floods[a.Request]
	if flood == nil {
		return "the catalogue names no such flood: " + a.Request, ""
	}
	before := s.resident("VmRSS:")
	s.forgetPeak()
	block := message{method: "GET", host: "bearer.test", target: "/x"}.block()
	var wg sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for range connections {
		wg.Go(func() {
			conn, err := s.dial(&step{Door: "h2", As: "flood"})
			if err != nil {
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(long))
			conn.Write([]byte(http2.ClientPreface))
			fr := http2.NewFramer(conn, conn)
			fr.AllowIllegalWrites = true
			err = fr.WriteSettings()
			n := uint32(0)
			for ; n < most && err == nil; n++ {
				err = flood(fr, n, block)
			}
			mu.Lock()
			sent += int(n)
			mu.Unlock()
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(200 * time.Millisecond):
			if why := s.served("writer"); why != "" {
				broken = "another agent meanwhile: " + why
			}
		}
	}
	grew := s.resident("VmHWM:") - before
	if grew > mostMemory {
		broken = fmt.Sprintf("the proxy grew by %d MiB, want at most %d", grew>>20, mostMemory>>20)
	}
	if sent == 0 {
		broken = "no frame was sent"
	}
	return broken, fmt.Sprintf("%d frames, %d MiB more\n", sent, grew>>20)
}
