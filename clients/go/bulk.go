package wecomgw

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "wecomgw/clients/go/gen/wecomgw/v1"
)

const (
	// A chunk takes 1000 items and a message 1 MiB; half of that leaves room for any item.
	chunkItems = 1000
	chunkBytes = 512 << 10
	// Streams in a row that may end without news.
	tries                  = 5
	firstWait, longestWait = 100 * time.Millisecond, time.Second
)

type eventStream = grpc.ServerStreamingClient[pb.BulkEvent]

// SendBulk uploads items and gives the events of their job, each once, through every cut.
// Leaving the loop does not cancel the job.
func (c *Client) SendBulk(ctx context.Context, header *pb.BulkHeader, items []*pb.BulkItem) iter.Seq2[*pb.BulkEvent, error] {
	filled, _ := withRequestID(header)
	upload := func(ctx context.Context) (eventStream, error) {
		stream, err := c.Bulk.SendBulk(ctx)
		if err != nil {
			return nil, err
		}
		// An answer may come, or the stream break, while the upload is under way: Recv tells.
		go func() {
			for _, request := range requests(filled.(*pb.BulkHeader), items) {
				if stream.Send(request) != nil {
					return
				}
			}
			_ = stream.CloseSend()
		}()
		return stream, nil
	}
	return c.events(ctx, upload, "", 0)
}

// WatchBulk gives the events of a job behind a sequence, each once, through every cut.
func (c *Client) WatchBulk(ctx context.Context, jobID string, afterSequence uint64) iter.Seq2[*pb.BulkEvent, error] {
	return c.events(ctx, nil, jobID, afterSequence)
}

func requests(header *pb.BulkHeader, items []*pb.BulkItem) []*pb.SendBulkRequest {
	all := []*pb.SendBulkRequest{{Part: &pb.SendBulkRequest_Header{Header: header}}}
	for len(items) > 0 {
		count, size := 0, 0
		for count < min(len(items), chunkItems) {
			size += proto.Size(items[count])
			if count > 0 && size > chunkBytes {
				break
			}
			count++
		}
		chunk := &pb.BulkChunk{Items: items[:count]}
		all = append(all, &pb.SendBulkRequest{Part: &pb.SendBulkRequest_Chunk{Chunk: chunk}})
		items = items[count:]
	}
	return all
}

func (c *Client) events(ctx context.Context, upload func(context.Context) (eventStream, error), jobID string, sequence uint64) iter.Seq2[*pb.BulkEvent, error] {
	return func(yield func(*pb.BulkEvent, error) bool) {
		fruitless := 0
		// read gives the events of one stream; nil, true when the iteration is over.
		read := func() (error, bool) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			open := upload
			if open == nil || jobID != "" {
				open = func(ctx context.Context) (eventStream, error) {
					return c.Bulk.WatchBulkJob(ctx, &pb.WatchBulkJobRequest{JobId: jobID, AfterSequence: sequence})
				}
			}
			stream, err := open(ctx)
			for err == nil {
				var event *pb.BulkEvent
				if event, err = stream.Recv(); err != nil {
					break
				}
				fruitless = 0
				if event.GetHeartbeat() != nil {
					continue
				}
				jobID, sequence = event.JobId, event.Sequence
				if !yield(event, nil) || event.GetFinished() != nil {
					return nil, true
				}
			}
			if err == io.EOF {
				err = toError(status.Error(codes.Unavailable, "the stream ended before `finished`"), false, "")
			}
			return err, false
		}
		for {
			err, over := read()
			if over {
				return
			}
			fruitless++
			var failed *GatewayError
			if !errors.As(err, &failed) || !failed.cut() || ctx.Err() != nil || fruitless == tries {
				yield(nil, err)
				return
			}
			longest := min(firstWait<<(fruitless-1), longestWait)
			select {
			case <-time.After(rand.N(longest)):
			case <-ctx.Done():
				yield(nil, toError(status.FromContextError(ctx.Err()).Err(), false, ""))
				return
			}
		}
	}
}
