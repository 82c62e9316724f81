package wecomgw

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const domain = "wecomgw"

// FieldViolation is one broken rule of the request.
type FieldViolation struct{ Field, Description string }

// GatewayError is a call that failed; errors.As finds it in what the stubs give.
type GatewayError struct {
	Code    codes.Code
	Message string
	// Of ErrorInfo: empty when the gateway itself did not answer.
	Reason, Domain string
	Metadata       map[string]string
	// Of WeCom; 0 and empty when it did not answer.
	Errcode int64
	Errmsg  string
	// Whether the same call may be made again, after RetryAfter where that is not 0.
	Retryable  bool
	RetryAfter time.Duration
	Violations []FieldViolation
	// The request_id that was sent, given or filled in.
	RequestID string
	// The error of gRPC.
	Cause error
}

func (e *GatewayError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("%s (%s): %s", e.Code, e.Reason, e.Message)
}

// Unwrap gives the error of gRPC.
func (e *GatewayError) Unwrap() error { return e.Cause }

// GRPCStatus lets status.FromError and status.Code read it.
func (e *GatewayError) GRPCStatus() *status.Status { return status.Convert(e.Cause) }

// toError reads the details of an error of gRPC.
func toError(err error, repeatable bool, requestID string) error {
	if err == nil {
		return nil
	}
	from := status.Convert(err)
	e := &GatewayError{Code: from.Code(), Message: from.Message(), RequestID: requestID, Cause: err}
	retryInfo := false
	for _, detail := range from.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason, e.Domain, e.Metadata = detail.Reason, detail.Domain, detail.Metadata
			e.Errcode, _ = strconv.ParseInt(detail.Metadata["errcode"], 10, 64)
			e.Errmsg = detail.Metadata["errmsg"]
		case *errdetails.RetryInfo:
			retryInfo = true
			e.RetryAfter = detail.RetryDelay.AsDuration()
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				e.Violations = append(e.Violations, FieldViolation{violation.Field, violation.Description})
			}
		}
	}
	e.Retryable = retryInfo || e.Code == codes.Unavailable && (e.Domain == domain || repeatable)
	return e
}

// cut tells whether a stream broke on its way, so that it can go on elsewhere.
func (e *GatewayError) cut() bool {
	broken := e.Code == codes.Canceled || e.Code == codes.Internal || e.Code == codes.Unknown
	return e.Code == codes.Unavailable || broken && e.Domain != domain
}
