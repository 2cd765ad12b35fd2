// More handlers for the worker of clients/go, whose package this is built into: those of tests/fault/handlers.py, which
// write when they began and how they ended.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// line is tests/fault/history.py's HandlerLine.
type line struct {
	Line          string  `json:"line"`
	Edge          string  `json:"edge"`
	JobID         string  `json:"job_id"`
	LeaseSequence int64   `json:"lease_seq"`
	Attempt       int32   `json:"attempt"`
	PID           int     `json:"pid"`
	Wall          float64 `json:"wall"`
	At            float64 `json:"at"`
	Outcome       string  `json:"outcome"`
}

var journal *os.File

func init() {
	var err error
	if journal, err = os.OpenFile(os.Getenv("FAULT_JOURNAL"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
		panic(err)
	}
	handlers["quick"] = recorded(func(context.Context, job) (*content, error) { return nil, nil })
	handlers["failing"] = recorded(failing)
	handlers["slow"] = recorded(slow)
	handlers["threaded"] = recorded(slow)
}

func failing(_ context.Context, job job) (*content, error) {
	var asked struct{ Failures int32 }
	if err := json.Unmarshal(job.payload.bytes, &asked); err != nil {
		return nil, err
	}
	if job.attempt <= asked.Failures {
		return nil, &failure{message: "asked to fail"}
	}
	return nil, nil
}

func slow(ctx context.Context, job job) (*content, error) {
	length, err := seconds(job)
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(length):
		return nil, nil
	}
}

func recorded(run handler) handler {
	return func(ctx context.Context, job job) (*content, error) {
		write(job, "start", "")
		output, err := run(ctx, job)
		outcome := "ok"
		if err != nil {
			outcome = "error"
			if ctx.Err() != nil {
				outcome = "cancelled"
			}
		}
		write(job, "end", outcome)
		return output, err
	}
}

// write appends a line by a single call: whoever is killed loses none.
func write(job job, edge, outcome string) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	text, err := json.Marshal(line{
		Line:          "handler",
		Edge:          edge,
		JobID:         job.id,
		LeaseSequence: job.leaseSequence,
		Attempt:       job.attempt,
		PID:           os.Getpid(),
		Wall:          float64(time.Now().UnixMicro()) / 1e6,
		At:            float64(now.Nano()) / 1e9,
		Outcome:       outcome,
	})
	if err != nil {
		panic(err)
	}
	if _, err := journal.Write(append(text, '\n')); err != nil {
		panic(err)
	}
}
