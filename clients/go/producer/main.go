// Producer enqueues a job and prints its id.
//
// Usage: producer [KIND [PAYLOAD]]
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"time"

	"gosynq.dev/clients/go/connection"
	gosynqv1 "gosynq.dev/gen/go/gosynq/v1"
)

func main() {
	log.SetFlags(0)
	kind, payload := "echo", `{"message":"hello"}`
	if len(os.Args) > 1 {
		kind, payload = os.Args[1], "{}"
	}
	if len(os.Args) > 2 {
		payload = os.Args[2]
	}
	if err := produce(kind, payload); err != nil {
		log.Fatalf("producer: %v", err)
	}
}

func produce(kind, payload string) error {
	channel, err := connection.Open()
	if err != nil {
		return err
	}
	defer channel.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	response, err := gosynqv1.NewJobServiceClient(channel).EnqueueJob(ctx, &gosynqv1.EnqueueJobRequest{
		Job: &gosynqv1.JobSpec{
			Queue:          connection.Queue(),
			Kind:           kind,
			Content:        &gosynqv1.JobSpec_PayloadBytes{PayloadBytes: []byte(payload)},
			ContentType:    "application/json",
			IdempotencyKey: rand.Text(),
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(response.JobId)
	return nil
}
