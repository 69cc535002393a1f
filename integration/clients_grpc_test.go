package integration_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// gRPC with the real library in a process of its own, which finds the proxy in
// HTTPS_PROXY by itself: unary, bidirectional, trailers, status, deadline.
func TestGRPC(t *testing.T) {
	integration(t)
	ca := newAuthority(t, "services")
	server := newGRPCServer(t, ca, demoToken, "grpc.test")
	a := newAttache(t, setup{
		Attache: connector("grpc", "grpc.test", &service{URL: server}, "bearer {fields.key}", "DEMO_TOKEN") + agentLocal("grpc"),
		Env:     []string{"DEMO_TOKEN=" + demoToken}, Trust: []*authority{ca},
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("without the proxy", func(t *testing.T) {
		direct := []string{childEnv + "=grpc", "GRPC_TARGET=" + strings.TrimPrefix(server, "https://"), "GRPC_CA=" + ca.File(t)}
		client{Env: append(direct, "GRPC_TOKEN="+demoToken)}.mustRun(t, self)
		r := client{Env: direct}.run(t, self)
		if r.Code == 0 || !strings.Contains(r.Stderr, "Unauthenticated") {
			t.Errorf("want Unauthenticated: %v", r)
		}
	})
	t.Run("through CONNECT", func(t *testing.T) {
		client{Env: []string{childEnv + "=grpc", "GRPC_TARGET=grpc.test:443", "GRPC_CA=" + a.CA, "HTTPS_PROXY=" + a.URL}}.mustRun(t, self)
	})
}

// grpcClient is the child: it calls GRPC_TARGET and trusts the file GRPC_CA. It
// has a token of its own only in GRPC_TOKEN.
func grpcClient() error {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(os.Getenv("GRPC_CA"))
	if err != nil {
		return err
	}
	roots.AppendCertsFromPEM(pem)
	conn, err := grpc.NewClient(os.Getenv("GRPC_TARGET"), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "")))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if token := os.Getenv("GRPC_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return errors.Join(grpcUnary(ctx, conn), grpcFailure(ctx, conn), grpcDeadline(ctx, conn), grpcBidirectional(ctx, conn))
}

func grpcUnary(ctx context.Context, conn *grpc.ClientConn) error {
	var trailer metadata.MD
	out := new(wrapperspb.StringValue)
	if err := conn.Invoke(ctx, grpcSay, wrapperspb.String("hello"), out, grpc.Trailer(&trailer)); err != nil {
		return fmt.Errorf("unary: %w", err)
	}
	if got := trailer.Get("x-said"); out.Value != "echo hello" || len(got) != 1 || got[0] != "hello" {
		return fmt.Errorf("unary = %q with trailer %q, want \"echo hello\" with \"hello\"", out.Value, got)
	}
	return nil
}

func grpcFailure(ctx context.Context, conn *grpc.ClientConn) error {
	err := conn.Invoke(ctx, grpcSay, wrapperspb.String("fail"), new(wrapperspb.StringValue))
	if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "as asked" {
		return fmt.Errorf("failing call = %v, want FailedPrecondition as asked", err)
	}
	return nil
}

func grpcDeadline(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	err := conn.Invoke(ctx, grpcSay, wrapperspb.String("sleep"), new(wrapperspb.StringValue))
	if status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("call over its deadline = %v, want DeadlineExceeded", err)
	}
	return nil
}

// grpcBidirectional waits for each echo before it sends the next message.
func grpcBidirectional(ctx context.Context, conn *grpc.ClientConn) error {
	stream, err := conn.NewStream(ctx, &grpcTalkStream, grpcTalk)
	if err != nil {
		return fmt.Errorf("bidirectional: %w", err)
	}
	for i := range 3 {
		if err := stream.SendMsg(wrapperspb.String(fmt.Sprint(i))); err != nil {
			return fmt.Errorf("bidirectional: sending %d: %w", i, err)
		}
		out := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(out); err != nil || out.Value != fmt.Sprint("echo ", i) {
			return fmt.Errorf("bidirectional: echo of %d = %q, %v", i, out.Value, err)
		}
	}
	stream.CloseSend()
	if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != io.EOF {
		return fmt.Errorf("bidirectional: after the last message: %v, want the end", err)
	}
	if got := stream.Trailer().Get("x-count"); len(got) != 1 || got[0] != "3" {
		return fmt.Errorf("bidirectional: trailer x-count = %q, want 3", got)
	}
	return nil
}
