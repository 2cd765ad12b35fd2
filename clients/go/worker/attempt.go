package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/durationpb"

	gosynqv1 "gosynq.dev/gen/go/gosynq/v1"
)

var (
	errCancelled = errors.New("cancelled")
	errLost      = errors.New("the lease is lost")
	errStopped   = errors.New("the worker stops")
	errTimedOut  = errors.New("the attempt took too long")
)

// attempt is a lease from its grant until its result is acknowledged, or it is lost.
type attempt struct {
	lease *gosynqv1.LeaseRef
	stop  context.CancelCauseFunc
	// begin runs the handler, once; it is nil from then on.
	begin func()
	// result is nil while the handler runs.
	result *gosynqv1.JobResult
}

// perform runs a job's handler and returns what it came to.
func perform(ctx context.Context, lease *gosynqv1.Lease, report func(*gosynqv1.JobProgress)) *gosynqv1.JobResult {
	if limit := lease.Job.AttemptTimeout; limit != nil {
		var done context.CancelFunc
		ctx, done = context.WithTimeoutCause(ctx, limit.AsDuration(), errTimedOut)
		defer done()
	}
	output, err := handle(ctx, lease, report)
	result := &gosynqv1.JobResult{Lease: refOf(lease)}
	var later *snooze
	switch {
	case err == nil:
		result.Outcome = &gosynqv1.JobResult_Success{Success: success(output)}
	case errors.As(err, &later):
		result.Outcome = &gosynqv1.JobResult_Snooze{Snooze: &gosynqv1.JobSnooze{Delay: durationpb.New(later.delay)}}
	case errors.Is(err, errCancelled):
		result.Outcome = &gosynqv1.JobResult_Cancelled{Cancelled: &gosynqv1.JobCancelled{Message: "stopped"}}
	case errors.Is(err, errStopped):
		result.Outcome = &gosynqv1.JobResult_Release{Release: &gosynqv1.JobRelease{}}
	default:
		result.Outcome = failed(err)
	}
	return result
}

func handle(ctx context.Context, lease *gosynqv1.Lease, report func(*gosynqv1.JobProgress)) (_ *content, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("panic: %v", problem)
		}
	}()
	return handlers[lease.Job.Kind](ctx, job{
		id:            lease.Job.Id,
		attempt:       lease.Job.Attempt,
		leaseSequence: lease.LeaseSequence,
		payload:       content{bytes: lease.Job.GetPayloadBytes(), mediaType: lease.Job.ContentType},
		report:        report,
	})
}

func success(output *content) *gosynqv1.JobSuccess {
	if output == nil {
		return &gosynqv1.JobSuccess{}
	}
	return &gosynqv1.JobSuccess{
		Output:            &gosynqv1.JobSuccess_ResultBytes{ResultBytes: output.bytes},
		ResultContentType: output.mediaType,
	}
}

func failed(err error) *gosynqv1.JobResult_Failure {
	told := &gosynqv1.JobError{Type: "HandlerFailed", Message: err.Error()}
	var known *failure
	if errors.As(err, &known) {
		told.NonRetryable = known.nonRetryable
	}
	return &gosynqv1.JobResult_Failure{Failure: &gosynqv1.JobFailure{Error: told}}
}

// leaseKey tells a lease from all others: the token alone is only new among those of one job.
type leaseKey struct{ jobID, token string }

func keyOf(lease *gosynqv1.LeaseRef) leaseKey {
	return leaseKey{jobID: lease.JobId, token: lease.LeaseToken}
}

func refOf(lease *gosynqv1.Lease) *gosynqv1.LeaseRef {
	return &gosynqv1.LeaseRef{JobId: lease.Job.Id, LeaseToken: lease.LeaseToken}
}
