package wecomgw

import (
	"context"
	"io"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// interceptor adds to each call what every call needs.
type interceptor struct {
	options
	repeatable map[string]bool
}

func (i interceptor) unary(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, i.timeout)
		defer cancel()
	}
	var id string
	if message, ok := req.(proto.Message); ok {
		req, id = withRequestID(message)
	}
	err := invoke(i.outgoing(ctx), method, req, reply, conn, opts...)
	return toError(err, i.repeatable[method], id)
}

func (i interceptor) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(i.outgoing(ctx), desc, conn, method, opts...)
	if err != nil {
		return nil, toError(err, false, "")
	}
	return clientStream{stream}, nil
}

func (i interceptor) outgoing(ctx context.Context) context.Context {
	for name, value := range i.headers {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	if i.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+i.token)
	}
	return ctx
}

// clientStream gives errors as GatewayError.
type clientStream struct{ grpc.ClientStream }

func (s clientStream) RecvMsg(message any) error {
	err := s.ClientStream.RecvMsg(message)
	if err == io.EOF {
		return err
	}
	return toError(err, false, "")
}

// withRequestID gives the message, or a copy with a request_id where it should have one.
func withRequestID(message proto.Message) (proto.Message, string) {
	field := message.ProtoReflect().Descriptor().Fields().ByName("request_id")
	if field == nil {
		return message, ""
	}
	if id := message.ProtoReflect().Get(field).String(); id != "" {
		return message, id
	}
	id := uuid.NewString()
	copied := proto.Clone(message)
	copied.ProtoReflect().Set(field, protoreflect.ValueOfString(id))
	return copied, id
}
