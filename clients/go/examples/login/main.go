// Logs a member in with what the redirect brought: login CODE STATE.
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
	ctx := context.Background()
	login, err := client.Auth.Login(ctx, &pb.LoginRequest{App: "youxiao", Code: os.Args[1], State: os.Args[2]})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("hello:", login.User.Name)
	session, err := client.Auth.VerifySession(ctx, &pb.VerifySessionRequest{SessionToken: login.SessionToken})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("session of:", session.User.UserId)
	if _, err := client.Auth.Logout(ctx, &pb.LogoutRequest{SessionToken: login.SessionToken}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged out")
}
