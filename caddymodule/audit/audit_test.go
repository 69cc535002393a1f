package audit

import (
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logs "go.uber.org/zap/zaptest/observer"

	"github.com/attache-proxy/attache/caddymodule/config"
	"github.com/attache-proxy/attache/resolver"
)

// TestAuditWhileItCloses: streams end while the configuration that they began in
// is let go of. None of their lines is lost, and nothing panics.
func TestAuditWhileItCloses(t *testing.T) {
	for range 200 {
		core, lines := logs.New(zapcore.InfoLevel)
		a, err := New(zap.New(core), config.Audit{})
		if err != nil {
			t.Fatal(err)
		}
		begin := make(chan struct{})
		var streams sync.WaitGroup
		for range 8 {
			streams.Go(func() {
				<-begin
				a.Write(&resolver.Observation{Status: 200})
			})
		}
		close(begin)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		streams.Wait()
		if n := lines.Len(); n != 8 {
			t.Fatalf("%d lines of 8 streams", n)
		}
	}
}
