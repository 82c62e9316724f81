// Runs the cases of clients/conformance; its README explains the protocol.
package wecomgw_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	wecomgw "wecomgw/clients/go"
	pb "wecomgw/clients/go/gen/wecomgw/v1"
)

type object = map[string]any

type task struct {
	Call, Helper string
	Args         []any
	Connect      struct {
		Address, Token, CA, Cert, Key string
		InsecureToken                 bool `json:"insecure_token"`
		Retry                         *bool
		TimeoutMS                     int64 `json:"timeout_ms"`
		Headers                       map[string]string
	}
	Env         map[string]string
	Request     json.RawMessage
	Requests    []json.RawMessage
	TimeoutMS   int64 `json:"timeout_ms"`
	Take, Times int
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestConformance(t *testing.T) {
	server := exec.Command("../../target/debug/examples/conformance-server")
	stdin, stdout := must(server.StdinPipe()), must(server.StdoutPipe())
	if err := server.Start(); err != nil {
		t.Fatalf("%v; build it with: cargo build --example conformance-server", err)
	}
	defer server.Wait()
	defer stdin.Close()
	var address struct{ Control string }
	line := must(bufio.NewReader(stdout).ReadBytes('\n'))
	must(0, json.Unmarshal(line, &address))
	control := func(path string, body []byte) []byte {
		response := must(http.Post(address.Control+path, "application/json", bytes.NewReader(body)))
		defer response.Body.Close()
		return must(io.ReadAll(response.Body))
	}
	var cases []struct{ Name string }
	must(0, json.NewDecoder(must(http.Get(address.Control+"/cases")).Body).Decode(&cases))
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			var task task
			must(0, json.Unmarshal(control("/begin/go/"+c.Name, []byte("{}")), &task))
			outcome := must(json.Marshal(run(t, task)))
			if mistakes := control("/end/go", outcome); len(mistakes) > 0 {
				t.Fatalf("%s", mistakes)
			}
		})
	}
}

func run(t *testing.T, task task) object {
	if task.Call == "helper" {
		return object{"response": toJSON(helper(task.Helper, task.Args))}
	}
	client, err := connect(t, task)
	if err != nil {
		return object{"refused": true}
	}
	defer client.Close()
	if task.Call == "connect" {
		return object{"connected": true}
	}
	seen := call(client, task)
	for range task.Times - 1 {
		seen = call(client, task)
	}
	return seen
}

func connect(t *testing.T, task task) (*wecomgw.Client, error) {
	for name, value := range task.Env {
		t.Setenv(name, value)
	}
	if task.Env != nil {
		return wecomgw.FromEnv()
	}
	c := task.Connect
	opts := []wecomgw.Option{wecomgw.WithToken(c.Token), wecomgw.WithHeaders(c.Headers)}
	file := func(path string) []byte {
		if path == "" {
			return nil
		}
		return must(os.ReadFile(path))
	}
	opts = append(opts, wecomgw.WithCA(file(c.CA)), wecomgw.WithCertificate(file(c.Cert), file(c.Key)))
	if c.InsecureToken {
		opts = append(opts, wecomgw.WithInsecureToken())
	}
	if c.Retry != nil {
		opts = append(opts, wecomgw.WithoutRetry())
	}
	if c.TimeoutMS != 0 {
		opts = append(opts, wecomgw.WithTimeout(time.Duration(c.TimeoutMS)*time.Millisecond))
	}
	return wecomgw.Connect(c.Address, opts...)
}

func call(client *wecomgw.Client, task task) object {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if task.TimeoutMS != 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(task.TimeoutMS)*time.Millisecond)
		defer cancel()
	}
	if strings.HasSuffix(task.Call, "_bulk") {
		return bulk(ctx, client, task)
	}
	service, name, _ := strings.Cut(task.Call, "/")
	descriptor := must(protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("wecomgw.v1." + service)))
	method := descriptor.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(name))
	create := func(of protoreflect.MessageDescriptor) proto.Message {
		return must(protoregistry.GlobalTypes.FindMessageByName(of.FullName())).New().Interface()
	}
	path, reply := "/wecomgw.v1."+task.Call, create(method.Output())
	if task.Requests == nil {
		task.Requests = []json.RawMessage{task.Request}
	}
	var requests []proto.Message
	for _, request := range task.Requests {
		requests = append(requests, create(method.Input()))
		must(0, protojson.Unmarshal(request, requests[len(requests)-1]))
	}
	if !method.IsStreamingClient() && !method.IsStreamingServer() {
		if err := client.Conn.Invoke(ctx, path, requests[0], reply); err != nil {
			return object{"error": failure(err)}
		}
		return object{"response": toJSON(reply)}
	}
	desc := &grpc.StreamDesc{ServerStreams: method.IsStreamingServer(), ClientStreams: method.IsStreamingClient()}
	stream := must(client.Conn.NewStream(ctx, desc, path))
	for _, request := range requests {
		_ = stream.SendMsg(request)
	}
	_ = stream.CloseSend()
	seen := []any{}
	for len(seen) != task.Take || task.Take == 0 {
		reply = create(method.Output())
		if err := stream.RecvMsg(reply); err == io.EOF {
			break
		} else if err != nil && !method.IsStreamingServer() {
			return object{"error": failure(err)}
		} else if err != nil {
			return object{"stream": seen, "error": failure(err)}
		} else if !method.IsStreamingServer() {
			return object{"response": toJSON(reply)}
		}
		seen = append(seen, toJSON(reply))
	}
	return object{"stream": seen}
}

func bulk(ctx context.Context, client *wecomgw.Client, task task) object {
	var request struct {
		Header        json.RawMessage
		Items         []json.RawMessage
		JobID         string `json:"jobId"`
		AfterSequence uint64
	}
	must(0, json.Unmarshal(task.Request, &request))
	events := client.WatchBulk(ctx, request.JobID, request.AfterSequence)
	if task.Call == "send_bulk" {
		header := &pb.BulkHeader{}
		must(0, protojson.Unmarshal(request.Header, header))
		var items []*pb.BulkItem
		for _, item := range request.Items {
			items = append(items, &pb.BulkItem{})
			must(0, protojson.Unmarshal(item, items[len(items)-1]))
		}
		events = client.SendBulk(ctx, header, items)
	}
	seen := []any{}
	for event, err := range events {
		if err != nil {
			return object{"stream": seen, "error": failure(err)}
		}
		if seen = append(seen, toJSON(event)); len(seen) == task.Take {
			break
		}
	}
	return object{"stream": seen}
}

func helper(name string, args []any) proto.Message {
	var texts []string
	var numbers []uint32
	for _, arg := range args {
		switch arg := arg.(type) {
		case string:
			texts = append(texts, arg)
		case float64:
			numbers = append(numbers, uint32(arg))
		}
	}
	return map[string]func() proto.Message{
		"text":        func() proto.Message { return wecomgw.Text(texts[0]) },
		"markdown":    func() proto.Message { return wecomgw.Markdown(texts[0]) },
		"text_card":   func() proto.Message { return wecomgw.TextCard(texts[0], texts[1], texts[2]) },
		"image":       func() proto.Message { return wecomgw.Image(texts[0]) },
		"file":        func() proto.Message { return wecomgw.File(texts[0]) },
		"users":       func() proto.Message { return wecomgw.Users(texts...) },
		"departments": func() proto.Message { return wecomgw.Departments(numbers...) },
		"tags":        func() proto.Message { return wecomgw.Tags(numbers...) },
		"everyone":    func() proto.Message { return wecomgw.Everyone() },
	}[name]()
}

func toJSON(message proto.Message) json.RawMessage { return must(protojson.Marshal(message)) }

func failure(err error) object {
	var e *wecomgw.GatewayError
	if !errors.As(err, &e) {
		panic(err)
	}
	violations := []object{}
	for _, violation := range e.Violations {
		violations = append(violations, object{"field": violation.Field, "description": violation.Description})
	}
	seen := object{
		"code": codeName(e.Code), "message": e.Message, "reason": e.Reason, "domain": e.Domain,
		"metadata": e.Metadata, "errcode": e.Errcode, "errmsg": e.Errmsg, "retryable": e.Retryable,
		"violations": violations, "request_id": e.RequestID, "native": e.Cause != nil,
	}
	if e.RetryAfter != 0 {
		seen["retry_after_ms"] = e.RetryAfter.Milliseconds()
	}
	return seen
}

// codeName turns DeadlineExceeded into DEADLINE_EXCEEDED.
func codeName(code codes.Code) string {
	var name strings.Builder
	for i, letter := range code.String() {
		if i > 0 && letter >= 'A' && letter <= 'Z' {
			name.WriteByte('_')
		}
		name.WriteRune(letter)
	}
	return strings.ToUpper(name.String())
}
