// River: an adapter of it, as ../python/adapter.py describes; river VERB ORDER.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/errgroup"
)

const (
	batch             = 1000
	concurrentBatches = 2
)

// Order is what the adapter is told.
type Order struct {
	DSN       string  `json:"dsn"`
	TunedFor  string  `json:"tuned_for"`
	Jobs      int     `json:"jobs"`
	PerSecond float64 `json:"per_second"`
	Report    string  `json:"report"`
}

// Noop is a job that does nothing, but tells when it was sent, in nanoseconds since the epoch.
type Noop struct {
	Sent int64 `json:"sent"`
}

// Kind names it.
func (Noop) Kind() string { return "noop" }

// Rate is an answer.
type Rate struct {
	PerSecond float64 `json:"per_second"`
}

// Record is when the first handler began and how long jobs waited for theirs, reported once all have begun.
type Record struct {
	river.WorkerDefaults[Noop] `json:"-"`

	First int64   `json:"first"`
	Waits []int64 `json:"waits"`

	order Order
	mutex sync.Mutex
	count int
}

// Work is the handler; it notes waits only where they are wanted, so as not to be measured.
func (record *Record) Work(_ context.Context, job *river.Job[Noop]) error {
	began := time.Now().UnixNano()
	record.mutex.Lock()
	defer record.mutex.Unlock()
	if record.count == 0 {
		record.First = began
	}
	record.count++
	if record.order.TunedFor == "latency" {
		record.Waits = append(record.Waits, began-job.Args.Sent)
	}
	if record.count == record.order.Jobs {
		return record.write()
	}
	return nil
}

func (record *Record) write() error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	part := record.order.Report + ".part"
	if err := os.WriteFile(part, text, 0o644); err != nil {
		return err
	}
	return os.Rename(part, record.order.Report)
}

func install(ctx context.Context, pool *pgxpool.Pool, _ Order) (any, error) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: quiet()})
	if err != nil {
		return nil, err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return struct{}{}, err
}

// bulk adds jobs by calls of 1000, two at a time.
func bulk(ctx context.Context, pool *pgxpool.Pool, order Order) (any, error) {
	client, err := producer(pool)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrentBatches)
	for range order.Jobs / batch {
		group.Go(func() error {
			jobs := make([]river.InsertManyParams, batch)
			for number := range jobs {
				jobs[number].Args = Noop{Sent: time.Now().UnixNano()}
			}
			_, err := client.InsertManyFast(ctx, jobs)
			return err
		})
	}
	err = group.Wait()
	return Rate{PerSecond: float64(order.Jobs) / time.Since(began).Seconds()}, err
}

// paced adds jobs one at a time at a steady pace.
func paced(ctx context.Context, pool *pgxpool.Pool, order Order) (any, error) {
	client, err := producer(pool)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for number := range order.Jobs {
		time.Sleep(time.Until(began.Add(time.Duration(float64(number) / order.PerSecond * float64(time.Second)))))
		if _, err := client.Insert(ctx, Noop{Sent: time.Now().UnixNano()}, nil); err != nil {
			return nil, err
		}
	}
	return Rate{PerSecond: float64(order.Jobs) / time.Since(began).Seconds()}, nil
}

// work runs a worker until terminated.
func work(ctx context.Context, pool *pgxpool.Pool, order Order) (any, error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &Record{order: order, Waits: []int64{}})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown: river.FetchCooldownMin,
		Logger:        quiet(),
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: concurrency(order)}},
		Workers:       workers,
	})
	if err != nil {
		return nil, err
	}
	if err := client.Start(ctx); err != nil {
		return nil, err
	}
	terminated, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	<-terminated.Done()
	return struct{}{}, client.Stop(ctx)
}

func concurrency(order Order) int {
	if order.TunedFor == "drain" {
		return 2000
	}
	return 100
}

func producer(pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	// The producer, too, is told to wake workers at once: by default it does so ten times a second.
	return river.NewClient(riverpgxv5.New(pool), &river.Config{FetchCooldown: river.FetchCooldownMin, Logger: quiet()})
}

func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

var verbs = map[string]func(context.Context, *pgxpool.Pool, Order) (any, error){
	"install": install,
	"bulk":    bulk,
	"paced":   paced,
	"work":    work,
}

// answer does what the command line asks and prints one JSON object.
func answer(ctx context.Context, verb, text string) error {
	var order Order
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, order.DSN)
	if err != nil {
		return err
	}
	defer pool.Close()
	told, err := verbs[verb](ctx, pool, order)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(told)
}

func main() {
	if err := answer(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
