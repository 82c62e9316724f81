// Runs the cases of clients/conformance; its README explains the protocol.
package wecomgw_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	wecomgw "wecomgw/clients/go"
	pb "wecomgw/clients/go/gen/wecomgw/v1"
)

type task struct {
	Call, Helper string
	Args         []any
	Connect      struct {
		Address, Token, CA, Cert, Key string
		InsecureToken                 bool `json:"insecure_token"`
		Retry                         bool
		TimeoutMS                     time.Duration `json:"timeout_ms"`
		Headers                       map[string]string
	}
	Env         map[string]string
	Request     json.RawMessage
	Requests    []json.RawMessage
	TimeoutMS   time.Duration `json:"timeout_ms"`
	Take, Times int
}

// outcome is what the server wants to know.
type outcome struct {
	Messages  []json.RawMessage `json:"messages"`
	Error     any               `json:"error,omitempty"`
	Refused   bool              `json:"refused"`
	Connected bool              `json:"connected"`
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
	must(0, server.Start())
	defer server.Wait()
	defer stdin.Close()
	var address struct{ Control string }
	must(0, json.NewDecoder(stdout).Decode(&address))
	var cases []struct{ Name string }
	must(0, json.NewDecoder(must(http.Get(address.Control+"/cases")).Body).Decode(&cases))
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			var task task
			begin := must(http.Post(address.Control+"/begin/go/"+c.Name, "", nil))
			must(0, json.NewDecoder(begin.Body).Decode(&task))
			seen := bytes.NewReader(must(json.Marshal(run(t, task))))
			end := must(http.Post(address.Control+"/end/go", "", seen))
			if mistakes := must(io.ReadAll(end.Body)); len(mistakes) > 0 {
				t.Fatalf("%s", mistakes)
			}
		})
	}
}

func run(t *testing.T, task task) (seen outcome) {
	if task.Call == "helper" {
		return outcome{Messages: []json.RawMessage{helper(task.Helper, task.Args)}}
	}
	client, err := connect(t, task)
	if err != nil {
		return outcome{Refused: true}
	}
	defer client.Close()
	seen.Connected = true
	for range task.Times {
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
	file := func(path string) []byte {
		content, _ := os.ReadFile(path)
		return content
	}
	opts := []wecomgw.Option{wecomgw.WithToken(c.Token), wecomgw.WithHeaders(c.Headers),
		wecomgw.WithCA(file(c.CA)), wecomgw.WithCertificate(file(c.Cert), file(c.Key))}
	if c.InsecureToken {
		opts = append(opts, wecomgw.WithInsecureToken())
	}
	if !c.Retry {
		opts = append(opts, wecomgw.WithoutRetry())
	}
	if c.TimeoutMS != 0 {
		opts = append(opts, wecomgw.WithTimeout(c.TimeoutMS*time.Millisecond))
	}
	return wecomgw.Connect(c.Address, opts...)
}

// call makes the call of a task, whatever it is.
func call(client *wecomgw.Client, task task) (seen outcome) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if task.TimeoutMS != 0 {
		ctx, cancel = context.WithTimeout(ctx, task.TimeoutMS*time.Millisecond)
		defer cancel()
	}
	next := invoke
	if task.Requests == nil {
		next = bulk
	}
	for message, err := range next(ctx, client, task) {
		var e *wecomgw.GatewayError
		if errors.As(err, &e) {
			seen.Error = failure(e)
			break
		}
		seen.Messages = append(seen.Messages, must(protojson.Marshal(message)))
		if len(seen.Messages) == task.Take {
			break
		}
	}
	return seen
}

func invoke(ctx context.Context, client *wecomgw.Client, task task) iter.Seq2[proto.Message, error] {
	name := protoreflect.FullName("wecomgw.v1." + strings.ReplaceAll(task.Call, "/", "."))
	method := must(protoregistry.GlobalFiles.FindDescriptorByName(name)).(protoreflect.MethodDescriptor)
	create := func(of protoreflect.MessageDescriptor) proto.Message {
		return must(protoregistry.GlobalTypes.FindMessageByName(of.FullName())).New().Interface()
	}
	path, reply := "/wecomgw.v1."+task.Call, create(method.Output())
	var requests []proto.Message
	for _, request := range task.Requests {
		requests = append(requests, parse(request, create(method.Input())))
	}
	return func(yield func(proto.Message, error) bool) {
		if !method.IsStreamingClient() && !method.IsStreamingServer() {
			yield(reply, client.Conn.Invoke(ctx, path, requests[0], reply))
			return
		}
		desc := &grpc.StreamDesc{ServerStreams: method.IsStreamingServer(), ClientStreams: method.IsStreamingClient()}
		stream := must(client.Conn.NewStream(ctx, desc, path))
		for _, request := range requests {
			_ = stream.SendMsg(request)
		}
		_ = stream.CloseSend()
		err := stream.RecvMsg(reply)
		for err != io.EOF && yield(reply, err) && method.IsStreamingServer() {
			err = stream.RecvMsg(reply)
		}
	}
}

func bulk(ctx context.Context, client *wecomgw.Client, task task) iter.Seq2[proto.Message, error] {
	var request struct {
		Header        json.RawMessage
		Items         []json.RawMessage
		JobID         string
		AfterSequence uint64
	}
	must(0, json.Unmarshal(task.Request, &request))
	events := client.WatchBulk(ctx, request.JobID, request.AfterSequence)
	if task.Call == "send_bulk" {
		var items []*pb.BulkItem
		for _, item := range request.Items {
			items = append(items, parse(item, &pb.BulkItem{}))
		}
		events = client.SendBulk(ctx, parse(request.Header, &pb.BulkHeader{}), items)
	}
	return func(yield func(proto.Message, error) bool) {
		events(func(event *pb.BulkEvent, err error) bool { return yield(event, err) })
	}
}

func parse[M proto.Message](from json.RawMessage, into M) M {
	must(0, protojson.Unmarshal(from, into))
	return into
}

// helper calls a function of the package by the name that cases have for it.
func helper(name string, args []any) json.RawMessage {
	helpers := map[string]any{"text": wecomgw.Text, "markdown": wecomgw.Markdown, "text_card": wecomgw.TextCard,
		"image": wecomgw.Image, "file": wecomgw.File, "users": wecomgw.Users, "departments": wecomgw.Departments,
		"tags": wecomgw.Tags, "everyone": wecomgw.Everyone}
	var values []reflect.Value
	for _, arg := range args {
		if number, ok := arg.(float64); ok {
			arg = uint32(number)
		}
		values = append(values, reflect.ValueOf(arg))
	}
	made := reflect.ValueOf(helpers[name]).Call(values)[0]
	return must(protojson.Marshal(made.Interface().(proto.Message)))
}

func failure(e *wecomgw.GatewayError) map[string]any {
	seen := map[string]any{"code": e.Code.String(), "message": e.Message, "reason": e.Reason, "domain": e.Domain,
		"metadata": e.Metadata, "errcode": e.Errcode, "errmsg": e.Errmsg, "retryable": e.Retryable,
		"violations": e.Violations, "requestId": e.RequestID, "native": e.Cause != nil}
	if e.RetryAfter != 0 {
		seen["retryAfterMs"] = e.RetryAfter.Milliseconds()
	}
	return seen
}
