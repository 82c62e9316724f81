// Makes 50 calls a second that may be repeated, sends and reads in turn, and counts those that
// failed: steady NAME FIRST_MEMBER COUNT. drain.py stops gateways meanwhile.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	wecomgw "wecomgw/clients/go"
	pb "wecomgw/clients/go/gen/wecomgw/v1"
)

func call(client *wecomgw.Client, user, text string, send bool) (err error) {
	if send {
		_, err = client.Messages.SendMessage(context.Background(), &pb.SendMessageRequest{
			App:        "youxiao",
			Recipients: wecomgw.Users(user),
			Content:    wecomgw.Text(text),
			RequestId:  text,
		})
		return err
	}
	_, err = client.Users.GetUser(context.Background(), &pb.GetUserRequest{App: "youxiao", UserId: user})
	return err
}

func main() {
	client, err := wecomgw.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	first, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	count, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	var calls sync.WaitGroup
	var failed atomic.Int64
	for number := range count {
		calls.Go(func() {
			time.Sleep(time.Duration(number) * 20 * time.Millisecond)
			user, text := fmt.Sprintf("user%07d", first+number), fmt.Sprintf("%s-%d", os.Args[1], number)
			if err := call(client, user, text, number%2 == 0); err != nil {
				failed.Add(1)
				log.Print(err)
			}
		})
	}
	calls.Wait()
	fmt.Printf("calls=%d failed=%d\n", count, failed.Load())
}
