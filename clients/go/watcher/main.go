// Watcher prints what happens to the jobs of a queue, from the oldest stored event on: JOB_ID REVISION TYPE.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"gosynq.dev/clients/go/connection"
	gosynqv1 "gosynq.dev/gen/go/gosynq/v1"
)

const (
	heartbeat  = 5 * time.Second
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

type watcher struct {
	client gosynqv1.EventServiceClient
	cursor string
	delay  time.Duration
}

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	channel, err := connection.Open()
	if err != nil {
		log.Fatalf("watcher: %v", err)
	}
	defer channel.Close()
	w := &watcher{client: gosynqv1.NewEventServiceClient(channel), delay: firstRetry}
	if err := w.run(ctx); err != nil {
		log.Fatalf("watcher: %v", err)
	}
}

// run watches until it is told to stop, or a server refuses it.
func (w *watcher) run(ctx context.Context) error {
	for {
		err := w.watch(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case status.Code(err) == codes.OutOfRange:
			return fmt.Errorf("events were missed, as they are no longer stored: %w", err)
		case isFinal(err):
			return err
		}
		log.Printf("watcher: interrupted: %v", err)
		select {
		case <-ctx.Done():
		case <-time.After(w.delay/2 + rand.N(w.delay/2)):
		}
		w.delay = min(2*w.delay, lastRetry)
	}
}

// watch prints events until the stream ends, and keeps the cursor to go on from.
func (w *watcher) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A stream has no deadline; instead, none of its responses may be late.
	silence := time.AfterFunc(3*heartbeat, func() { cancel(errors.New("no response for three heartbeats")) })
	defer silence.Stop()
	stream, err := w.client.WatchEvents(ctx, w.request())
	if err != nil {
		return err
	}
	for {
		response, err := stream.Recv()
		if cause := context.Cause(ctx); err != nil && cause != nil {
			return cause
		}
		if err != nil {
			return err
		}
		silence.Reset(3 * heartbeat)
		for _, event := range response.Events {
			fmt.Println(event.JobId, event.Revision, strings.ToLower(strings.TrimPrefix(event.Type.String(), "EVENT_TYPE_")))
		}
		w.cursor, w.delay = response.Cursor, firstRetry
	}
}

func (w *watcher) request() *gosynqv1.WatchEventsRequest {
	request := &gosynqv1.WatchEventsRequest{
		Queues:            []string{connection.Queue()},
		HeartbeatInterval: durationpb.New(heartbeat),
		Start:             &gosynqv1.WatchEventsRequest_FromOldest{FromOldest: true},
	}
	if w.cursor != "" {
		request.Start = &gosynqv1.WatchEventsRequest_Cursor{Cursor: w.cursor}
	}
	return request
}

func isFinal(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		return true
	}
	return false
}
