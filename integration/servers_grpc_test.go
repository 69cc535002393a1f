package integration_test

import (
	"context"
	"crypto/tls"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// echoGRPC is a gRPC service without generated code:
//
//	service test.Echo {
//	  rpc Say(google.protobuf.StringValue) returns (google.protobuf.StringValue);
//	  rpc Talk(stream google.protobuf.StringValue) returns (stream google.protobuf.StringValue);
//	}
//
// Every call needs the bearer token in its metadata. Say("fail") ends with a
// status and no message, Say("sleep") outlives a deadline.
type echoGRPC struct{ token string }

const (
	grpcSay  = "/test.Echo/Say"
	grpcTalk = "/test.Echo/Talk"
)

var grpcTalkStream = grpc.StreamDesc{StreamName: "Talk", ServerStreams: true, ClientStreams: true,
	Handler: func(srv any, stream grpc.ServerStream) error { return srv.(*echoGRPC).talk(stream) }}

var grpcService = grpc.ServiceDesc{
	ServiceName: "test.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Say",
		Handler: func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(wrapperspb.StringValue)
			if err := decode(in); err != nil {
				return nil, err
			}
			return srv.(*echoGRPC).say(ctx, in)
		}}},
	Streams: []grpc.StreamDesc{grpcTalkStream},
}

func (e *echoGRPC) check(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+e.token {
		return status.Error(codes.Unauthenticated, "wrong token")
	}
	return nil
}

func (e *echoGRPC) say(ctx context.Context, in *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	if err := e.check(ctx); err != nil {
		return nil, err
	}
	grpc.SetTrailer(ctx, metadata.Pairs("x-said", in.Value))
	switch in.Value {
	case "fail":
		return nil, status.Error(codes.FailedPrecondition, "as asked")
	case "sleep":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return wrapperspb.String("echo " + in.Value), nil
}

func (e *echoGRPC) talk(stream grpc.ServerStream) error {
	if err := e.check(stream.Context()); err != nil {
		return err
	}
	n := 0
	for {
		in := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(in); err == io.EOF {
			stream.SetTrailer(metadata.Pairs("x-count", string(rune('0'+n))))
			return nil
		} else if err != nil {
			return err
		}
		n++
		if err := stream.SendMsg(wrapperspb.String("echo " + in.Value)); err != nil {
			return err
		}
	}
}

// newGRPCServer serves echoGRPC over TLS and returns its URL.
func newGRPCServer(t testing.TB, ca *authority, token string, names ...string) string {
	t.Helper()
	l := listen(t)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{ca.leaf(t, time.Time{}, append(names, "127.0.0.1")...)},
	})))
	server.RegisterService(&grpcService, &echoGRPC{token})
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return "https://" + l.Addr().String()
}
