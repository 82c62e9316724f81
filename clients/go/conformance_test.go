// Runs the cases of clients/conformance; its README explains the protocol.
package wecomgw_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
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

// task is what the server wants done.
type task struct {
	Call, Helper string
	Args         []any
	Env          map[string]string
	Connect      struct {
		Address, Token string
		CA, Cert, Key  []byte
		InsecureToken  bool `json:"insecure_token"`
		Retry          bool
		TimeoutMS      time.Duration `json:"timeout_ms"`
		Headers        map[string]string
	}
	Request     json.RawMessage
	Requests    []json.RawMessage
	TimeoutMS   time.Duration `json:"timeout_ms"`
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
	must(0, server.Start())
	defer stdin.Close()
	address := decode[struct{ Control string }](stdout)
	for _, c := range decode[[]struct{ Name string }](must(http.Get(address.Control + "/cases")).Body) {
		t.Run(c.Name, func(t *testing.T) {
			begin := must(http.Post(address.Control+"/begin/go/"+c.Name+"?files", "", nil))
			task := decode[task](begin.Body)
			client, err := connect(t, task)
			seen := map[string]any{"refused": err != nil}
			if err == nil {
				defer client.Close()
			}
			for range task.Times {
				seen = call(client, task)
			}
			end := must(http.Post(address.Control+"/end/go", "", bytes.NewReader(must(json.Marshal(seen)))))
			if mistakes := must(io.ReadAll(end.Body)); len(mistakes) > 0 {
				t.Fatalf("%s", mistakes)
			}
		})
	}
}

func decode[T any](from io.Reader) (value T) {
	must(0, json.NewDecoder(from).Decode(&value))
	return value
}

func connect(t *testing.T, task task) (*wecomgw.Client, error) {
	for name, value := range task.Env {
		t.Setenv(name, value)
	}
	if task.Env != nil {
		return wecomgw.FromEnv()
	}
	c := task.Connect
	opts := []wecomgw.Option{wecomgw.WithToken(c.Token), wecomgw.WithHeaders(c.Headers),
		wecomgw.WithCA(c.CA), wecomgw.WithCertificate(c.Cert, c.Key)}
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
func call(client *wecomgw.Client, task task) map[string]any {
	seen, messages := map[string]any{}, []json.RawMessage{}
	report := func(message proto.Message, err error) bool {
		if err != nil {
			seen["error"] = err.(*wecomgw.GatewayError)
			return false
		}
		messages = append(messages, must(protojson.Marshal(message)))
		seen["messages"] = messages
		return len(messages) < task.Take
	}
	event := func(event *pb.BulkEvent, err error) bool { return report(event, err) }
	switch task.Call {
	case "helper":
		report(helper(task.Helper, task.Args), nil)
	case "send_bulk":
		header, items := parse(task.Request, &pb.SendBulkRequest{}), parse(task.Request, &pb.BulkChunk{})
		client.SendBulk(context.Background(), header.GetHeader(), items.Items)(event)
	case "watch_bulk":
		watch := parse(task.Request, &pb.WatchBulkJobRequest{})
		client.WatchBulk(context.Background(), watch.JobId, watch.AfterSequence)(event)
	default:
		invoke(client.Conn, task, report)
	}
	return seen
}

func invoke(conn *grpc.ClientConn, task task, report func(proto.Message, error) bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if task.TimeoutMS != 0 {
		ctx, cancel = context.WithTimeout(ctx, task.TimeoutMS*time.Millisecond)
		defer cancel()
	}
	name := protoreflect.FullName("wecomgw.v1." + strings.ReplaceAll(task.Call, "/", "."))
	method := must(protoregistry.GlobalFiles.FindDescriptorByName(name)).(protoreflect.MethodDescriptor)
	input := must(protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName()))
	reply := must(protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())).New().Interface()
	path := "/wecomgw.v1." + task.Call
	if !method.IsStreamingClient() && !method.IsStreamingServer() {
		report(reply, conn.Invoke(ctx, path, parse(task.Requests[0], input.New().Interface()), reply))
		return
	}
	stream := must(conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, path))
	for _, request := range task.Requests {
		_ = stream.SendMsg(parse(request, input.New().Interface()))
	}
	_ = stream.CloseSend()
	for err := stream.RecvMsg(reply); err != io.EOF && report(reply, err); {
		err = stream.RecvMsg(reply)
	}
}

// parse reads the fields that a message has; those of others may stand beside them.
func parse[M proto.Message](from json.RawMessage, into M) M {
	must(0, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(from, into))
	return into
}

// helper calls a function of the package by the name that cases have for it.
func helper(name string, args []any) proto.Message {
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
	return reflect.ValueOf(helpers[name]).Call(values)[0].Interface().(proto.Message)
}
