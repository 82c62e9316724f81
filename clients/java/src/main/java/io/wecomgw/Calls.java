package io.wecomgw;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import io.grpc.protobuf.ProtoMethodDescriptorSupplier;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Adds to each call what every call needs. */
final class Calls implements ClientInterceptor {
  private final Metadata headers;
  private final long timeoutNanos;

  Calls(Metadata headers, long timeoutNanos) {
    this.headers = headers;
    this.timeoutNanos = timeoutNanos;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    boolean unary = method.getType() == MethodType.UNARY;
    if (unary && options.getDeadline() == null) {
      options = options.withDeadlineAfter(timeoutNanos, TimeUnit.NANOSECONDS);
    }
    return new SimpleForwardingClientCall<Q, A>(next.newCall(method, options)) {
      private String requestId = "";

      @Override
      public void start(Listener<A> listener, Metadata more) {
        more.merge(headers);
        super.start(
            new SimpleForwardingClientCallListener<A>(listener) {
              @Override
              public void onClose(Status status, Metadata trailers) {
                trailers.put(GatewayError.REQUEST_ID, requestId);
                if (unary && (marked(method) || !requestId.isEmpty())) {
                  trailers.put(GatewayError.REPEATABLE, "1");
                }
                super.onClose(status, trailers);
              }
            },
            more);
      }

      @Override
      @SuppressWarnings("unchecked") // A copy of the message has its type.
      public void sendMessage(Q message) {
        Message filled = unary ? withRequestId((Message) message) : (Message) message;
        requestId = requestId(filled);
        super.sendMessage((Q) filled);
      }
    };
  }

  /** Whether the contract says that the method may be repeated; policy.json has it from there. */
  private static boolean marked(MethodDescriptor<?, ?> method) {
    ProtoMethodDescriptorSupplier schema =
        (ProtoMethodDescriptorSupplier) method.getSchemaDescriptor();
    return schema.getMethodDescriptor().getOptions().hasIdempotencyLevel();
  }

  /** The message, or a copy with a request_id where it should have one. */
  static Message withRequestId(Message message) {
    FieldDescriptor field = message.getDescriptorForType().findFieldByName("request_id");
    if (field == null || !requestId(message).isEmpty()) {
      return message;
    }
    return message.toBuilder().setField(field, UUID.randomUUID().toString()).build();
  }

  private static String requestId(Message message) {
    FieldDescriptor field = message.getDescriptorForType().findFieldByName("request_id");
    return field == null ? "" : (String) message.getField(field);
  }
}
