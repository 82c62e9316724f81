package io.wecomgw;

import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import io.wecomgw.v1.BulkChunk;
import io.wecomgw.v1.BulkEvent;
import io.wecomgw.v1.BulkHeader;
import io.wecomgw.v1.BulkItem;
import io.wecomgw.v1.BulkServiceGrpc;
import io.wecomgw.v1.BulkServiceGrpc.BulkServiceBlockingV2Stub;
import io.wecomgw.v1.SendBulkRequest;
import io.wecomgw.v1.WatchBulkJobRequest;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.ThreadLocalRandom;

/**
 * The events of a bulk job, each once, through every cut of the stream. Closing it leaves the
 * stream and does not cancel the job. Not for several threads at once.
 */
public final class BulkEvents implements Iterator<BulkEvent>, AutoCloseable {
  // A chunk takes 1000 items and a message 1 MiB; half of that leaves room for any item.
  private static final int CHUNK_ITEMS = 1000;
  private static final int CHUNK_BYTES = 512 * 1024;
  // Streams in a row that may end without news.
  private static final int TRIES = 5;
  private static final double FIRST_WAIT_MILLIS = 100;
  private static final double LONGEST_WAIT_MILLIS = 1000;

  private final BulkServiceBlockingV2Stub stub;
  private final BulkHeader header;
  private final List<BulkItem> items;
  private String jobId;
  private long sequence;
  private int fruitless;
  private boolean finished;
  private BlockingClientCall<?, BulkEvent> call;
  private BulkEvent next;

  BulkEvents(
      Channel channel, BulkHeader header, List<BulkItem> items, String jobId, long sequence) {
    this.stub = BulkServiceGrpc.newBlockingV2Stub(channel);
    this.header = header;
    this.items = items;
    this.jobId = jobId;
    this.sequence = sequence;
  }

  @Override
  public boolean hasNext() {
    try {
      while (next == null && !finished) {
        read();
      }
    } catch (InterruptedException e) {
      close();
      Thread.currentThread().interrupt();
      throw GatewayError.of(Status.CANCELLED.withCause(e).asRuntimeException());
    }
    return next != null;
  }

  @Override
  public BulkEvent next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    BulkEvent event = next;
    next = null;
    return event;
  }

  @Override
  public void close() {
    finished = true;
    if (call != null) {
      call.cancel("left", null);
      call = null;
    }
  }

  private void read() throws InterruptedException {
    try {
      call = call == null ? open() : call;
      BulkEvent event = call.read();
      if (event == null) {
        throw Status.UNAVAILABLE.withDescription("the stream ended before `finished`").asException();
      }
      fruitless = 0;
      if (!event.hasHeartbeat()) {
        jobId = event.getJobId();
        sequence = event.getSequence();
        next = event;
      }
      if (event.hasFinished()) {
        close();
      }
    } catch (StatusException e) {
      GatewayError cut = GatewayError.of(e);
      close();
      finished = ++fruitless == TRIES || !cut.cut();
      if (finished) {
        throw cut;
      }
      double bound = Math.min(FIRST_WAIT_MILLIS * Math.pow(2, fruitless - 1), LONGEST_WAIT_MILLIS);
      Thread.sleep((long) (ThreadLocalRandom.current().nextDouble() * bound));
    }
  }

  private BlockingClientCall<?, BulkEvent> open() throws StatusException, InterruptedException {
    if (header == null || !jobId.isEmpty()) {
      return stub.watchBulkJob(
          WatchBulkJobRequest.newBuilder().setJobId(jobId).setAfterSequence(sequence).build());
    }
    BlockingClientCall<SendBulkRequest, BulkEvent> upload = stub.sendBulk();
    boolean open = upload.write(SendBulkRequest.newBuilder().setHeader(header).build());
    // What ended the call early is in what it reads.
    for (int start = 0, end; open && start < items.size(); start = end) {
      end = chunk(start);
      BulkChunk chunk = BulkChunk.newBuilder().addAllItems(items.subList(start, end)).build();
      open = upload.write(SendBulkRequest.newBuilder().setChunk(chunk).build());
    }
    if (open) {
      upload.halfClose();
    }
    return upload;
  }

  /** Where the chunk that begins at start ends. */
  private int chunk(int start) {
    int end = start;
    for (int size = 0; end < Math.min(items.size(), start + CHUNK_ITEMS); end++) {
      size += items.get(end).getSerializedSize();
      if (end > start && size > CHUNK_BYTES) {
        return end;
      }
    }
    return end;
  }
}
