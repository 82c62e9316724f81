// Sends a text: send_text USER_ID TEXT. The gateway is named by WECOMGW_ADDRESS and WECOMGW_TOKEN.
package main

import (
	"context"
	"errors"
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
	reply, err := client.Messages.SendMessage(context.Background(), &pb.SendMessageRequest{
		App:        "youxiao",
		Recipients: wecomgw.Users(os.Args[1]),
		Content:    wecomgw.Text(os.Args[2]),
	})
	var failed *wecomgw.GatewayError
	if errors.As(err, &failed) {
		fmt.Println("error:", failed.Reason)
		os.Exit(1)
	}
	fmt.Println("message id:", reply.MessageId)
}
