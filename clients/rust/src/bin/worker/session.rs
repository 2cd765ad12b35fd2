//! One Work stream. A single task, which owns the worker's attempts, reads and writes it.

use std::time::Duration;

use gosynq_clients_rust::gosynq::v1::{
    FlowControl, JobResult, JobResults, Lease, LeaseRef, LeaseState, LeaseStatus, ProgressReport, WorkRequest,
    WorkResponse, WorkerHeartbeat, WorkerWelcome, work_request::Message as Request, work_response::Message as Response,
};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming};

use crate::Worker;

const WELCOME_WITHIN: Duration = Duration::from_secs(5);

struct Session<'a> {
    worker: &'a mut Worker,
    /// None once this side is closed. What is queued is bounded by the leases.
    requests: Option<UnboundedSender<WorkRequest>>,
    beats: Interval,
    sequence: i64,
}

impl Worker {
    /// Works on one stream until it ends: well, or because the server asked for it, or by an error.
    pub async fn work(&mut self) -> Result<(), Status> {
        let (requests, queued) = mpsc::unbounded_channel();
        let hello = WorkRequest { message: Some(Request::Hello(self.hello())) };
        // Nothing has closed the other end yet.
        let _ = requests.send(hello);
        let opening = async {
            let mut responses = self.client.work(UnboundedReceiverStream::new(queued)).await?.into_inner();
            let welcome = responses.message().await?;
            Ok::<_, Status>((responses, welcome))
        };
        let late = |_| Status::unavailable("no welcome in time");
        match timeout(WELCOME_WITHIN, opening).await.map_err(late)?? {
            (responses, Some(WorkResponse { message: Some(Response::Welcome(welcome)) })) => {
                let beats = every(interval_of(welcome.heartbeat_interval));
                let session = Session { worker: self, requests: Some(requests), beats, sequence: 0 };
                session.run(responses, welcome).await
            }
            _ => Err(Status::unavailable("no welcome")),
        }
    }
}

impl Session<'_> {
    async fn run(mut self, mut responses: Streaming<WorkResponse>, welcome: WorkerWelcome) -> Result<(), Status> {
        let stopping = self.worker.stopping.clone();
        let mut is_draining = false;
        self.take_statuses(welcome.held_leases);
        self.send_results(self.worker.unacknowledged());
        loop {
            if self.worker.is_done() {
                self.leave();
            }
            tokio::select! {
                response = responses.message() => match response? {
                    Some(response) => self.take(response),
                    None => return Ok(()),
                },
                () = stopping.cancelled(), if !is_draining => {
                    is_draining = true;
                    self.send(Request::FlowControl(FlowControl { max_in_flight: 0 }));
                }
                _ = self.beats.tick() => self.beat(),
                Some(result) = self.worker.ended.receiver.recv() => {
                    let results = self.worker.keep(result);
                    self.send_results(results);
                }
                Some(report) = self.worker.reports.receiver.recv() => {
                    self.send(Request::Progress(ProgressReport { reports: vec![report] }));
                }
            }
        }
    }

    /// Writes to the stream. An error shows where the stream is read as well, and with its cause.
    fn send(&self, message: Request) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(WorkRequest { message: Some(message) });
        }
    }

    /// Closes this side; the server ends the stream when it has acknowledged everything. What comes to its end from
    /// here on is sent on the next stream.
    fn leave(&mut self) {
        self.requests = None;
    }

    fn take(&mut self, response: WorkResponse) {
        match response.message {
            Some(Response::Leases(grants)) => self.take_leases(grants.leases),
            Some(Response::HeartbeatAck(ack)) => self.take_statuses(ack.leases),
            Some(Response::ResultAcks(acks)) => {
                let instead = acks.acks.into_iter().filter_map(|ack| self.worker.acknowledge(ack)).collect();
                self.send_results(instead);
            }
            Some(Response::Cancels(notices)) => {
                for notice in notices.cancels {
                    self.worker.cancel(&notice.lease.unwrap_or_default(), notice.lease_lost);
                }
            }
            Some(Response::GoAway(notice)) => {
                eprintln!("worker: asked to leave: {}", notice.reason);
                if notice.stop { self.worker.stopping.cancel() } else { self.leave() }
            }
            Some(Response::Welcome(_)) | None => {}
        }
    }

    /// Begins handlers. A lease that came late may be another worker's by now: its handler waits until the answer to a
    /// heartbeat says that it is held.
    fn take_leases(&mut self, leases: Vec<Lease>) {
        let mut any_is_late = false;
        for lease in leases {
            self.beat_within(interval_of(lease.valid_for) / 3);
            any_is_late |= self.worker.hold(lease);
        }
        if any_is_late {
            self.beat();
        }
    }

    /// Has heartbeats sent more often for a job whose lease is shorter than its queue's.
    fn beat_within(&mut self, interval: Duration) {
        if interval < self.beats.period() {
            self.beats = every(interval);
        }
    }

    fn beat(&mut self) {
        self.sequence += 1;
        let leases = self.worker.held();
        self.send(Request::Heartbeat(WorkerHeartbeat { sequence: self.sequence, leases }));
    }

    fn send_results(&self, results: Vec<JobResult>) {
        if !results.is_empty() {
            self.send(Request::Results(JobResults { results }));
        }
    }

    fn take_statuses(&mut self, statuses: Vec<LeaseStatus>) {
        for status in statuses {
            let is_lost = status.state() == LeaseState::Lost;
            let lease = LeaseRef { job_id: status.job_id, lease_token: status.lease_token };
            if is_lost || status.cancel_requested {
                self.worker.cancel(&lease, is_lost);
            }
            if !is_lost {
                self.worker.begin(&lease);
            }
        }
    }
}

fn every(interval: Duration) -> Interval {
    let interval = interval.max(Duration::from_millis(100));
    let mut beats = interval_at(Instant::now() + interval, interval);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}

pub fn interval_of(duration: Option<prost_types::Duration>) -> Duration {
    duration.and_then(|duration| duration.try_into().ok()).unwrap_or(Duration::from_secs(5))
}
