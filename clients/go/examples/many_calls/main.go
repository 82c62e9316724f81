// Makes COUNT calls, one after the other: many_calls COUNT. bench.py measures it.
package main

import (
	"context"
	"log"
	"os"
	"strconv"

	wecomgw "wecomgw/clients/go"
	pb "wecomgw/clients/go/gen/wecomgw/v1"
)

func main() {
	client, err := wecomgw.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for range count {
		if _, err := client.Gateway.GetServerInfo(context.Background(), &pb.GetServerInfoRequest{}); err != nil {
			log.Fatal(err)
		}
	}
}
