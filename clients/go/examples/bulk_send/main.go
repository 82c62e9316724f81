// Sends a text to many members: bulk_send TEXT USER_ID...
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	wecomgw "wecomgw/clients/go"
	pb "wecomgw/clients/go/gen/wecomgw/v1"
)

func main() {
	client, err := wecomgw.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var items []*pb.BulkItem
	for _, user := range os.Args[2:] {
		items = append(items, &pb.BulkItem{UserId: user})
	}
	header := &pb.BulkHeader{App: "youxiao", Content: wecomgw.Text(os.Args[1])}
	for event, err := range client.SendBulk(context.Background(), header, items) {
		if err != nil {
			log.Fatal(err)
		}
		switch {
		case event.GetAccepted() != nil:
			fmt.Println("items:", event.GetAccepted().ItemCount)
		case event.GetBatchFinished() != nil:
			fmt.Println("sent so far:", event.GetBatchFinished().GetTotals().GetAccepted())
		case event.GetFinished() != nil:
			totals := event.GetFinished().GetTotals()
			fmt.Printf("finished: %d accepted, %d invalid\n", totals.GetAccepted(), totals.GetInvalid())
		}
	}
}
