package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	gosynqv1 "gosynq.dev/gen/go/gosynq/v1"
)

// content is what a job carries, or returns.
type content struct {
	bytes     []byte
	mediaType string
}

// job is what a handler sees.
type job struct {
	id      string
	attempt int32
	// leaseSequence rises with each lease, that of a job which was put off as well; attempt counts those that failed.
	leaseSequence int64
	payload       content
	report        func(*gosynqv1.JobProgress)
}

// A handler returns a result, or an error: *failure and *snooze say what is to become of the job, any other is a failure
// that may be tried again. It ends with the context's error when that is done.
type handler func(ctx context.Context, job job) (*content, error)

type failure struct {
	message      string
	nonRetryable bool
}

func (f *failure) Error() string { return f.message }

type snooze struct{ delay time.Duration }

func (s *snooze) Error() string { return fmt.Sprintf("put off for %v", s.delay) }

var handlers = map[string]handler{
	"echo":   echo,
	"sleep":  sleep,
	"long":   sleep,
	"fail":   fail,
	"snooze": putOff,
}

func echo(_ context.Context, job job) (*content, error) {
	return &job.payload, nil
}

func sleep(ctx context.Context, job job) (*content, error) {
	const steps = 10
	length, err := seconds(job)
	if err != nil {
		return nil, err
	}
	for step := range steps {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(length / steps):
			job.report(&gosynqv1.JobProgress{Current: int64(step + 1), Total: steps})
		}
	}
	return nil, nil
}

func fail(_ context.Context, job job) (*content, error) {
	var asked struct {
		Message      string `json:"message"`
		NonRetryable bool   `json:"non_retryable"`
	}
	if err := json.Unmarshal(job.payload.bytes, &asked); err != nil {
		return nil, &failure{message: err.Error(), nonRetryable: true}
	}
	return nil, &failure{message: asked.Message, nonRetryable: asked.NonRetryable}
}

func putOff(_ context.Context, job job) (*content, error) {
	length, err := seconds(job)
	if err != nil || job.leaseSequence > 1 {
		return nil, err
	}
	return nil, &snooze{delay: length}
}

func seconds(job job) (time.Duration, error) {
	var asked struct {
		Seconds float64 `json:"seconds"`
	}
	if err := json.Unmarshal(job.payload.bytes, &asked); err != nil {
		return 0, &failure{message: err.Error(), nonRetryable: true}
	}
	return time.Duration(asked.Seconds * float64(time.Second)), nil
}
