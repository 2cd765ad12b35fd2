package main

import (
	"context"
	"errors"
	"io"
	"log"
	"time"

	gosynqv1 "gosynq.dev/gen/go/gosynq/v1"
)

const welcomeWithin = 5 * time.Second

type workStream = gosynqv1.WorkerService_WorkClient

// session is one Work stream. A single goroutine reads it and a single one, which owns the worker's attempts, writes it.
type session struct {
	*worker
	stream   workStream
	incoming chan *gosynqv1.WorkResponse
	broken   error // why incoming is closed
	beats    *time.Ticker
	interval time.Duration
	sequence int64
	closed   bool
}

// runSession works on one stream until it ends; nil: well, or because the server asked for it.
func (w *worker) runSession(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(welcomeWithin, cancel)
	stream, err := w.client.Work(ctx)
	if err != nil {
		return err
	}
	held := w.refs()
	_ = stream.Send(&gosynqv1.WorkRequest{Message: &gosynqv1.WorkRequest_Hello{Hello: w.hello(held)}})
	response, err := stream.Recv()
	if err != nil {
		return err
	}
	late.Stop()
	s := &session{worker: w, stream: stream, incoming: make(chan *gosynqv1.WorkResponse, 2*maxInFlight)}
	return s.run(ctx, response.GetWelcome())
}

func (s *session) run(ctx context.Context, welcome *gosynqv1.WorkerWelcome) error {
	go s.read(ctx)
	s.interval = welcome.HeartbeatInterval.AsDuration()
	s.beats = time.NewTicker(s.interval)
	defer s.beats.Stop()
	s.takeStatuses(welcome.HeldLeases)
	s.sendResults(s.unacknowledged())
	stopping := s.stopping.Done()
	for {
		if s.stopping.Err() != nil && len(s.attempts) == 0 {
			s.leave()
		}
		select {
		case response, ok := <-s.incoming:
			if !ok {
				return s.end()
			}
			s.take(response)
		case <-stopping:
			stopping = nil
			s.send(&gosynqv1.WorkRequest{Message: &gosynqv1.WorkRequest_FlowControl{FlowControl: &gosynqv1.FlowControl{}}})
		case <-s.beats.C:
			s.beat()
		case ended := <-s.ended:
			s.sendResults(s.keep(ended))
		case report := <-s.reports:
			reports := &gosynqv1.ProgressReport{Reports: []*gosynqv1.JobProgressReport{report}}
			s.send(&gosynqv1.WorkRequest{Message: &gosynqv1.WorkRequest_Progress{Progress: reports}})
		}
	}
}

func (s *session) read(ctx context.Context) {
	defer close(s.incoming)
	for {
		response, err := s.stream.Recv()
		if err != nil {
			s.broken = err
			return
		}
		select {
		case s.incoming <- response:
		case <-ctx.Done():
			return
		}
	}
}

func (s *session) end() error {
	if errors.Is(s.broken, io.EOF) {
		return nil
	}
	return s.broken
}

// send writes to the stream. An error shows where the stream is read as well, and with its cause.
func (s *session) send(request *gosynqv1.WorkRequest) {
	if !s.closed {
		_ = s.stream.Send(request)
	}
}

// leave closes this side; the server ends the stream when it has acknowledged everything. What comes to its end from
// here on is sent on the next stream.
func (s *session) leave() {
	if !s.closed {
		s.closed = true
		_ = s.stream.CloseSend()
	}
}

func (s *session) take(response *gosynqv1.WorkResponse) {
	switch message := response.Message.(type) {
	case *gosynqv1.WorkResponse_Leases:
		s.takeLeases(message.Leases.Leases)
	case *gosynqv1.WorkResponse_HeartbeatAck:
		s.takeStatuses(message.HeartbeatAck.Leases)
	case *gosynqv1.WorkResponse_ResultAcks:
		s.sendResults(s.acknowledge(message.ResultAcks.Acks))
	case *gosynqv1.WorkResponse_Cancels:
		for _, notice := range message.Cancels.Cancels {
			s.cancel(notice.Lease, notice.LeaseLost)
		}
	case *gosynqv1.WorkResponse_GoAway:
		log.Printf("worker: asked to leave: %s", message.GoAway.Reason)
		if message.GoAway.Stop {
			s.stop()
		} else {
			s.leave()
		}
	}
}

// takeLeases begins handlers. A lease that came late may be another worker's by now: its handler waits until the answer to
// a heartbeat says that it is held.
func (s *session) takeLeases(leases []*gosynqv1.Lease) {
	late := false
	for _, lease := range leases {
		late = s.hold(lease).begin != nil || late
		s.beatWithin(lease.ValidFor.AsDuration() / 3)
	}
	if late {
		s.beat()
	}
}

// beatWithin has heartbeats sent more often for a job whose lease is shorter than its queue's.
func (s *session) beatWithin(interval time.Duration) {
	if interval > 0 && interval < s.interval {
		s.interval = interval
		s.beats.Reset(interval)
	}
}

func (s *session) beat() {
	s.sequence++
	heartbeat := &gosynqv1.WorkerHeartbeat{Sequence: s.sequence, Leases: s.refs()}
	s.send(&gosynqv1.WorkRequest{Message: &gosynqv1.WorkRequest_Heartbeat{Heartbeat: heartbeat}})
}

func (s *session) sendResults(results []*gosynqv1.JobResult) {
	if len(results) > 0 {
		message := &gosynqv1.WorkRequest_Results{Results: &gosynqv1.JobResults{Results: results}}
		s.send(&gosynqv1.WorkRequest{Message: message})
	}
}

func (s *session) takeStatuses(statuses []*gosynqv1.LeaseStatus) {
	for _, status := range statuses {
		ref := &gosynqv1.LeaseRef{JobId: status.JobId, LeaseToken: status.LeaseToken}
		lost := status.State == gosynqv1.LeaseState_LEASE_STATE_LOST
		if lost || status.CancelRequested {
			s.cancel(ref, lost)
		}
		if attempt, held := s.attempts[keyOf(ref)]; held && !lost && attempt.begin != nil {
			attempt.begin()
		}
	}
}
