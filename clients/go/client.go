// Package wecomgw is the client of wecomgw, a gRPC gateway to WeCom (企业微信).
package wecomgw

import (
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	pb "wecomgw/clients/go/gen/wecomgw/v1"
)

const (
	// Version of this client.
	Version = "0.1.0"
	// DefaultAddress is where a gateway on this machine listens.
	DefaultAddress = "127.0.0.1:50051"
	// DefaultTimeout bounds unary calls that name no deadline.
	DefaultTimeout = 10 * time.Second

	keepaliveTime    = 60 * time.Second
	keepaliveTimeout = 20 * time.Second
	// A picture or file inside a message may have 2 MiB and is kept for a repetition.
	retryBufferBytes = 4 << 20
)

//go:embed gen/policy.json
var policy string

var address = regexp.MustCompile(`^(https?://)?(\[[^\]/]+\]|[^\[\]:/@?#\s]+):(\d{1,5})/?$`)

// Client is a gateway: one connection and a stub for each service. Share it.
type Client struct {
	AppChats pb.AppChatServiceClient
	Auth     pb.AuthServiceClient
	Bulk     pb.BulkServiceClient
	Gateway  pb.GatewayServiceClient
	Media    pb.MediaServiceClient
	Messages pb.MessageServiceClient
	Users    pb.UserServiceClient
	// Conn is the connection of gRPC that the stubs share.
	Conn *grpc.ClientConn
}

type options struct {
	token         string
	ca, cert, key []byte
	insecureToken bool
	timeout       time.Duration
	noRetry       bool
	headers       map[string]string
}

// Option changes how Connect goes about it.
type Option func(*options)

// WithToken shows an API token at each call.
func WithToken(token string) Option { return func(o *options) { o.token = token } }

// WithCA trusts these authorities (PEM) in place of the system's.
func WithCA(pem []byte) Option { return func(o *options) { o.ca = pem } }

// WithCertificate shows who the caller is (PEM).
func WithCertificate(cert, key []byte) Option {
	return func(o *options) { o.cert, o.key = cert, key }
}

// WithInsecureToken lets the token travel in the clear beyond this machine.
func WithInsecureToken() Option { return func(o *options) { o.insecureToken = true } }

// WithTimeout bounds unary calls whose context has no deadline.
func WithTimeout(timeout time.Duration) Option { return func(o *options) { o.timeout = timeout } }

// WithoutRetry makes every call once.
func WithoutRetry() Option { return func(o *options) { o.noRetry = true } }

// WithHeaders sends these along with each call.
func WithHeaders(headers map[string]string) Option {
	return func(o *options) { o.headers = headers }
}

// Connect makes a client; the connection itself is made by the first call. The target is
// host:port, or https://host:port for TLS.
func Connect(target string, opts ...Option) (*Client, error) {
	o := options{timeout: DefaultTimeout}
	for _, opt := range opts {
		opt(&o)
	}
	match := address.FindStringSubmatch(target)
	if match == nil {
		return nil, fmt.Errorf("not an address: %q; write host:port or https://host:port", target)
	}
	if _, err := strconv.ParseUint(match[3], 10, 16); err != nil {
		return nil, fmt.Errorf("not an address: %q has no such port", target)
	}
	secure, host := match[1] == "https://", match[2]
	if !secure && (o.ca != nil || o.cert != nil || o.key != nil) {
		return nil, errors.New("certificates need an https:// address")
	}
	if o.token != "" && !secure && !o.insecureToken && !loopback(host) {
		return nil, fmt.Errorf("the token would go to %s in the clear; use https://", host)
	}
	transport := insecure.NewCredentials()
	if secure {
		config, err := o.tls()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(config)
	}
	config, repeatable, err := serviceConfig(!o.noRetry)
	if err != nil {
		return nil, err
	}
	through := interceptor{options: o, repeatable: repeatable}
	conn, err := grpc.NewClient(host+":"+match[3],
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(config),
		grpc.WithDefaultCallOptions(grpc.MaxRetryRPCBufferSize(retryBufferBytes)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithUserAgent("wecomgw-go/"+Version),
		grpc.WithUnaryInterceptor(through.unary),
		grpc.WithStreamInterceptor(through.stream),
	)
	if err != nil {
		return nil, err
	}
	return &Client{
		AppChats: pb.NewAppChatServiceClient(conn),
		Auth:     pb.NewAuthServiceClient(conn),
		Bulk:     pb.NewBulkServiceClient(conn),
		Gateway:  pb.NewGatewayServiceClient(conn),
		Media:    pb.NewMediaServiceClient(conn),
		Messages: pb.NewMessageServiceClient(conn),
		Users:    pb.NewUserServiceClient(conn),
		Conn:     conn,
	}, nil
}

// FromEnv makes a client from WECOMGW_ADDRESS, WECOMGW_TOKEN or WECOMGW_TOKEN_FILE,
// WECOMGW_CA_FILE, WECOMGW_CERT_FILE and WECOMGW_KEY_FILE.
func FromEnv() (*Client, error) {
	var failed error
	read := func(variable string) []byte {
		path := os.Getenv(variable)
		if path == "" {
			return nil
		}
		content, err := os.ReadFile(path)
		failed = errors.Join(failed, err)
		return content
	}
	target, token := os.Getenv("WECOMGW_ADDRESS"), os.Getenv("WECOMGW_TOKEN")
	if target == "" {
		target = DefaultAddress
	}
	if token == "" {
		token = strings.TrimSpace(string(read("WECOMGW_TOKEN_FILE")))
	}
	opts := []Option{WithToken(token), WithCA(read("WECOMGW_CA_FILE")),
		WithCertificate(read("WECOMGW_CERT_FILE"), read("WECOMGW_KEY_FILE"))}
	if failed != nil {
		return nil, failed
	}
	return Connect(target, opts...)
}

// Close ends every call and the connection.
func (c *Client) Close() error { return c.Conn.Close() }

func (o *options) tls() (*tls.Config, error) {
	config := &tls.Config{}
	if o.ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(o.ca) {
			return nil, errors.New("no certificate in the PEM of the authority")
		}
	}
	if o.cert != nil || o.key != nil {
		pair, err := tls.X509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// serviceConfig gives the policy, and the methods that may be repeated.
func serviceConfig(retry bool) (string, map[string]bool, error) {
	var config struct {
		MethodConfig []struct {
			Name []struct{ Service, Method string }
		}
	}
	if err := json.Unmarshal([]byte(policy), &config); err != nil {
		return "", nil, err
	}
	repeatable := map[string]bool{}
	for _, name := range config.MethodConfig[0].Name {
		repeatable["/"+name.Service+"/"+name.Method] = true
	}
	if !retry {
		return `{"loadBalancingConfig": [{"round_robin": {}}]}`, repeatable, nil
	}
	return policy, repeatable, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
