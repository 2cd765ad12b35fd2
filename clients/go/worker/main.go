// Worker runs jobs of a queue, which it takes over the Work stream.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gosynq.dev/clients/go/connection"
	gosynqv1 "gosynq.dev/gen/go/gosynq/v1"
)

const (
	maxInFlight = 10
	grace       = 25 * time.Second // how long attempts may go on at a stop; then they are given back
	settling    = 5 * time.Second  // and how long their results may take
	firstRetry  = 100 * time.Millisecond
	lastRetry   = 5 * time.Second
)

// worker keeps its attempts over all streams. They belong to the goroutine that runs it; handlers tell it by channels.
type worker struct {
	client   gosynqv1.WorkerServiceClient
	id       string
	attempts map[leaseKey]*attempt
	ended    chan *gosynqv1.JobResult
	reports  chan *gosynqv1.JobProgressReport
	stopping context.Context
	stop     context.CancelFunc
	handling context.Context // done at the end of the grace
	skew     time.Duration   // the least that a lease ever took by two clocks: by how much they differ
}

func main() {
	log.SetFlags(0)
	if err := work(); err != nil {
		log.Fatalf("worker: %v", err)
	}
}

func work() error {
	channel, err := connection.Open()
	if err != nil {
		return err
	}
	defer channel.Close()
	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	w := &worker{
		client:   gosynqv1.NewWorkerServiceClient(channel),
		id:       workerID(),
		attempts: map[leaseKey]*attempt{},
		ended:    make(chan *gosynqv1.JobResult, maxInFlight),
		reports:  make(chan *gosynqv1.JobProgressReport, maxInFlight),
		stopping: stopping,
		stop:     stop,
	}
	return w.run()
}

func workerID() string {
	if id := os.Getenv("GOSYNQ_WORKER_ID"); id != "" {
		return id
	}
	return fmt.Sprintf("go-%d-%s", os.Getpid(), rand.Text()[:8])
}

// run goes from stream to stream until the worker is told to stop and has ended what it holds.
func (w *worker) run() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	handling, release := context.WithCancelCause(ctx)
	w.handling = handling
	context.AfterFunc(w.stopping, func() {
		time.AfterFunc(grace, func() { release(errStopped) })
		time.AfterFunc(grace+settling, cancel)
	})
	delay := firstRetry
	for w.stopping.Err() == nil || len(w.attempts) > 0 {
		begun := time.Now()
		err := w.runSession(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("stopped with %d results that no server acknowledged", len(w.attempts))
		}
		if isFinal(err) {
			return err
		}
		if err != nil {
			log.Printf("worker: no stream to a server: %v", err)
		}
		if time.Since(begun) > lastRetry {
			delay = firstRetry
		}
		// Streams that end well, and at once, are begun no faster than those that fail.
		w.pause(delay)
		delay = min(2*delay, lastRetry)
	}
	return nil
}

// pause waits; told to stop, a worker that holds nothing need not connect once more.
func (w *worker) pause(delay time.Duration) {
	var stopping <-chan struct{}
	if len(w.attempts) == 0 {
		stopping = w.stopping.Done()
	}
	select {
	case <-stopping:
	case <-time.After(delay/2 + mathrand.N(delay/2)):
	}
}

func (w *worker) hello(held []*gosynqv1.LeaseRef) *gosynqv1.WorkerHello {
	host, _ := os.Hostname()
	hello := &gosynqv1.WorkerHello{
		WorkerId:    w.id,
		Queues:      []*gosynqv1.QueueSubscription{{Queue: connection.Queue()}},
		Kinds:       slices.Sorted(maps.Keys(handlers)),
		MaxInFlight: maxInFlight,
		Runtime:     &gosynqv1.WorkerRuntime{Sdk: "gosynq-example", Language: runtime.Version(), Host: host},
		HeldLeases:  held,
	}
	if w.stopping.Err() != nil {
		hello.MaxInFlight = 0
	}
	return hello
}

// hold keeps a lease, and runs its handler unless it came late.
func (w *worker) hold(lease *gosynqv1.Lease) *attempt {
	ctx, stop := context.WithCancelCause(w.handling)
	ref := refOf(lease)
	attempt := &attempt{lease: ref, stop: stop}
	attempt.begin = func() {
		attempt.begin = nil
		w.start(ctx, lease, ref)
	}
	w.attempts[keyOf(ref)] = attempt
	if !w.isLate(lease) {
		attempt.begin()
	}
	return attempt
}

// isLate says whether half of a lease may be over: it was on its way for long, or this process was paused.
func (w *worker) isLate(lease *gosynqv1.Lease) bool {
	valid := lease.ValidFor.AsDuration()
	took := time.Since(lease.ExpiresAt.AsTime().Add(-valid))
	w.skew = min(w.skew, took)
	return took-w.skew > valid/2
}

func (w *worker) start(ctx context.Context, lease *gosynqv1.Lease, ref *gosynqv1.LeaseRef) {
	report := func(progress *gosynqv1.JobProgress) {
		select {
		case w.reports <- &gosynqv1.JobProgressReport{Lease: ref, Progress: progress}:
		default: // progress is best effort: a handler does not wait for a stream
		}
	}
	go func() { w.ended <- perform(ctx, lease, report) }()
}

// keep takes results in, this one and those that came meanwhile, and returns those whose lease is still held.
func (w *worker) keep(result *gosynqv1.JobResult) []*gosynqv1.JobResult {
	var kept []*gosynqv1.JobResult
	for {
		if attempt, held := w.attempts[keyOf(result.Lease)]; held {
			attempt.result = result
			kept = append(kept, result)
		}
		select {
		case result = <-w.ended:
		default:
			return kept
		}
	}
}

func (w *worker) refs() []*gosynqv1.LeaseRef {
	refs := make([]*gosynqv1.LeaseRef, 0, len(w.attempts))
	for _, attempt := range w.attempts {
		refs = append(refs, attempt.lease)
	}
	return refs
}

func (w *worker) unacknowledged() []*gosynqv1.JobResult {
	var results []*gosynqv1.JobResult
	for _, attempt := range w.attempts {
		if attempt.result != nil {
			results = append(results, attempt.result)
		}
	}
	return results
}

// acknowledge forgets leases whose results were taken or refused. Of what was not well formed the lease goes on: the
// failures that say so are returned.
func (w *worker) acknowledge(acks []*gosynqv1.JobResultAck) []*gosynqv1.JobResult {
	var instead []*gosynqv1.JobResult
	for _, ack := range acks {
		attempt, held := w.attempts[keyOf(ack.Lease)]
		switch {
		case held && ack.Status == gosynqv1.ResultStatus_RESULT_STATUS_INVALID:
			problem := &failure{message: "its result was refused: " + ack.Message, nonRetryable: true}
			attempt.result = &gosynqv1.JobResult{Lease: attempt.lease, Outcome: failed(problem)}
			instead = append(instead, attempt.result)
		case held:
			delete(w.attempts, keyOf(ack.Lease))
		}
	}
	return instead
}

// cancel stops a handler. A lost lease is forgotten at once, unless a result is on its way: that is acknowledged.
func (w *worker) cancel(lease *gosynqv1.LeaseRef, lost bool) {
	attempt, held := w.attempts[keyOf(lease)]
	if !held || attempt.result != nil {
		return
	}
	if lost {
		delete(w.attempts, keyOf(lease))
		attempt.stop(errLost)
		return
	}
	attempt.stop(errCancelled)
}

// isFinal says whether it is of no use to come back. Aborted is another worker's doing, which has this one's id.
func isFinal(err error) bool {
	switch status.Code(err) {
	case codes.Aborted, codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		return true
	}
	return false
}
