package io.wecomgw;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.BadRequest.FieldViolation;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A call that failed; the exception of gRPC is its cause. */
public final class GatewayError extends RuntimeException {
  static final String DOMAIN = "wecomgw";
  private static final Set<Status.Code> BROKEN =
      EnumSet.of(Status.Code.CANCELLED, Status.Code.INTERNAL, Status.Code.UNKNOWN);

  /** What {@link Calls} tells of the call. */
  static final Metadata.Key<String> REQUEST_ID = Client.key("x-wecomgw-request-id");

  static final Metadata.Key<String> REPEATABLE = Client.key("x-wecomgw-repeatable");

  /** Who must act. */
  public final Status.Code code;

  /** Of ErrorInfo: empty when the gateway itself did not answer. */
  public final String reason;

  public final String domain;
  public final Map<String, String> metadata;

  /** Of WeCom; 0 and empty when it did not answer. */
  public final long errcode;

  public final String errmsg;

  /** Whether the same call may be made again, after retryAfter where that is not null. */
  public final boolean retryable;

  public final Duration retryAfter;

  /** Every broken rule of the request. */
  public final List<FieldViolation> violations;

  /** The request_id that was sent, given or filled in. */
  public final String requestId;

  private GatewayError(Status status, Metadata trailers, Throwable cause) {
    super(status.getDescription() == null ? "" : status.getDescription(), cause);
    ErrorInfo info = ErrorInfo.getDefaultInstance();
    Duration wait = null;
    BadRequest bad = BadRequest.getDefaultInstance();
    try {
      for (Any detail : StatusProto.fromStatusAndTrailers(status, trailers).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          info = detail.unpack(ErrorInfo.class);
        } else if (detail.is(RetryInfo.class)) {
          com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
          wait = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
        } else if (detail.is(BadRequest.class)) {
          bad = detail.unpack(BadRequest.class);
        }
      }
    } catch (InvalidProtocolBufferException e) {
      addSuppressed(e);
    }
    code = status.getCode();
    reason = info.getReason();
    domain = info.getDomain();
    metadata = info.getMetadataMap();
    errcode = Long.parseLong(metadata.getOrDefault("errcode", "0"));
    errmsg = metadata.getOrDefault("errmsg", "");
    boolean safe = domain.equals(DOMAIN) || trailers != null && trailers.containsKey(REPEATABLE);
    retryable = wait != null || safe && code == Status.Code.UNAVAILABLE;
    retryAfter = wait;
    violations = bad.getFieldViolationsList();
    requestId = trailers != null && trailers.containsKey(REQUEST_ID) ? trailers.get(REQUEST_ID) : "";
  }

  /** Reads the details of what a stub threw. */
  public static GatewayError of(Throwable error) {
    if (error instanceof GatewayError) {
      return (GatewayError) error;
    }
    return new GatewayError(Status.fromThrowable(error), Status.trailersFromThrowable(error), error);
  }

  /** Whether a stream broke on its way, so that it can go on elsewhere. */
  boolean cut() {
    return code == Status.Code.UNAVAILABLE || BROKEN.contains(code) && !domain.equals(DOMAIN);
  }

  @Override
  public String toString() {
    return code + (reason.isEmpty() ? "" : " (" + reason + ")") + ": " + getMessage();
  }
}
