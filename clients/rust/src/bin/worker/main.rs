//! Runs jobs of a queue, which it takes over the Work stream.

mod attempt;
mod handlers;
mod session;

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::process::{self, ExitCode};
use std::time::{Duration, SystemTime};

use gosynq_clients_rust::connection::{self, Backoff};
use gosynq_clients_rust::gosynq::v1::worker_service_client::WorkerServiceClient;
use gosynq_clients_rust::gosynq::v1::{
    JobProgressReport, JobResult, JobResultAck, Lease, LeaseRef, QueueSubscription, ResultStatus, WorkerHello,
    WorkerRuntime,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use attempt::{Attempt, Surroundings};
use handlers::Failure;

const MAX_IN_FLIGHT: usize = 10;
/// How long attempts may go on at a stop; then they are given back.
const GRACE: Duration = Duration::from_secs(25);
/// And how long their results may take.
const SETTLING: Duration = Duration::from_secs(5);
/// A stream that held this long was no failed try.
const HELD: Duration = Duration::from_secs(5);

/// Keeps its attempts over all streams. They belong to the task that runs it; others tell it by channels.
struct Worker {
    client: WorkerServiceClient<Channel>,
    id: String,
    attempts: HashMap<LeaseRef, Attempt>,
    ended: Channels<JobResult>,
    reports: Channels<JobProgressReport>,
    stopping: CancellationToken,
    released: CancellationToken,
    /// The least that a lease ever took by two clocks, in seconds: by how much they differ.
    skew: f64,
}

struct Channels<T> {
    sender: mpsc::Sender<T>,
    receiver: mpsc::Receiver<T>,
}

impl<T> Default for Channels<T> {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MAX_IN_FLIGHT);
        Self { sender, receiver }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    connection::exit("worker", work().await)
}

async fn work() -> Result<(), Box<dyn Error>> {
    let stop = connection::stop_asked()?;
    let mut worker = Worker {
        client: WorkerServiceClient::new(connection::open()?),
        id: worker_id(),
        attempts: HashMap::new(),
        ended: Channels::default(),
        reports: Channels::default(),
        stopping: CancellationToken::new(),
        released: CancellationToken::new(),
        skew: 0.0,
    };
    let (stopping, released) = (worker.stopping.clone(), worker.released.clone());
    let gave_up = async {
        tokio::select! {
            () = stop => stopping.cancel(),
            () = stopping.cancelled() => {}
        }
        sleep(GRACE).await;
        released.cancel();
        sleep(SETTLING).await;
    };
    tokio::select! {
        ended = worker.run() => ended,
        () = gave_up => Err("stopped with results that no server acknowledged".into()),
    }
}

fn worker_id() -> String {
    env::var("GOSYNQ_WORKER_ID")
        .ok()
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| format!("rust-{}-{:08x}", process::id(), fastrand::u32(..)))
}

impl Worker {
    /// Goes from stream to stream until it is told to stop and has ended what it holds.
    async fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let mut backoff = Backoff::default();
        while !self.is_done() {
            let begun = Instant::now();
            match self.work().await {
                Ok(()) => {}
                Err(status) if connection::is_final(&status) => return Err(status.into()),
                Err(status) => eprintln!("worker: no stream to a server: {}", status.message()),
            }
            if begun.elapsed() > HELD {
                backoff.reset();
            }
            self.pause(backoff.next_delay()).await;
        }
        Ok(())
    }

    /// Waits; told to stop, a worker that holds nothing need not connect once more.
    async fn pause(&self, delay: Duration) {
        tokio::select! {
            () = self.stopping.cancelled(), if self.attempts.is_empty() => {}
            () = sleep(delay) => {}
        }
    }

    fn is_done(&self) -> bool {
        self.stopping.is_cancelled() && self.attempts.is_empty()
    }

    fn hello(&self) -> WorkerHello {
        let subscription = QueueSubscription { queue: connection::queue(), ..QueueSubscription::default() };
        let runtime = WorkerRuntime {
            sdk: "gosynq-example".to_owned(),
            language: "rust".to_owned(),
            host: env::var("HOSTNAME").unwrap_or_default(),
            ..WorkerRuntime::default()
        };
        WorkerHello {
            worker_id: self.id.clone(),
            queues: vec![subscription],
            kinds: handlers::KINDS.map(str::to_owned).to_vec(),
            max_in_flight: if self.stopping.is_cancelled() { 0 } else { MAX_IN_FLIGHT as i32 },
            runtime: Some(runtime),
            held_leases: self.held(),
            ..WorkerHello::default()
        }
    }

    /// Keeps a lease, and runs its handler unless it came late, which is returned.
    fn hold(&mut self, lease: Lease) -> bool {
        let (is_late, name) = (self.is_late(&lease), attempt::name_of(&lease));
        let (cancel, cancelled) = oneshot::channel();
        let attempt = Attempt { unbegun: Some((lease, cancelled)), cancel: Some(cancel), result: None };
        self.attempts.insert(name.clone(), attempt);
        if !is_late {
            self.begin(&name);
        }
        is_late
    }

    /// Says whether half of a lease may be over: it was on its way for long, or this process was paused.
    fn is_late(&mut self, lease: &Lease) -> bool {
        let valid = session::interval_of(lease.valid_for).as_secs_f64();
        let granted_at = seconds_of(lease.expires_at.unwrap_or_default()) - valid;
        let took = seconds_of(SystemTime::now().into()) - granted_at;
        self.skew = self.skew.min(took);
        took - self.skew > valid / 2.0
    }

    /// Runs the handler of a lease that is held, unless it has begun.
    fn begin(&mut self, lease: &LeaseRef) {
        let unbegun = self.attempts.get_mut(lease).and_then(|attempt| attempt.unbegun.take());
        let Some((lease, cancelled)) = unbegun else { return };
        let (released, reports) = (self.released.clone(), self.reports.sender.clone());
        let ended = self.ended.sender.clone();
        tokio::spawn(async move {
            let around = Surroundings { cancelled, released, reports };
            if let Some(result) = attempt::perform(lease, around).await {
                // It fails only where the worker has given up.
                let _ = ended.send(result).await;
            }
        });
    }

    /// Takes results in, this one and those that came meanwhile, and returns those whose lease is still held.
    fn keep(&mut self, first: JobResult) -> Vec<JobResult> {
        let mut kept = Vec::new();
        let mut next = Some(first);
        while let Some(result) = next {
            if let Some(attempt) = result.lease.as_ref().and_then(|lease| self.attempts.get_mut(lease)) {
                attempt.result = Some(result.clone());
                kept.push(result);
            }
            next = self.ended.receiver.try_recv().ok();
        }
        kept
    }

    fn held(&self) -> Vec<LeaseRef> {
        self.attempts.keys().cloned().collect()
    }

    fn unacknowledged(&self) -> Vec<JobResult> {
        self.attempts.values().filter_map(|attempt| attempt.result.clone()).collect()
    }

    /// Forgets a lease whose result was taken or refused. Of what was not well formed the lease goes on: the failure
    /// that says so is returned.
    fn acknowledge(&mut self, ack: JobResultAck) -> Option<JobResult> {
        let is_invalid = ack.status() == ResultStatus::Invalid;
        let lease = ack.lease?;
        if !is_invalid {
            self.attempts.remove(&lease);
            return None;
        }
        let attempt = self.attempts.get_mut(&lease)?;
        let failure = Failure::for_good(format!("its result was refused: {}", ack.message));
        let outcome = attempt::failed("ResultRefused", failure);
        attempt.result = Some(JobResult { lease: Some(lease), outcome: Some(outcome) });
        attempt.result.clone()
    }

    /// Stops a handler. A lost lease is forgotten at once, unless a result is on its way: that is acknowledged.
    fn cancel(&mut self, lease: &LeaseRef, is_lost: bool) {
        let Some(attempt) = self.attempts.get_mut(lease).filter(|attempt| attempt.result.is_none()) else {
            return;
        };
        if is_lost {
            self.attempts.remove(lease);
        } else if let Some(cancel) = attempt.cancel.take() {
            // It fails where the handler has just ended.
            let _ = cancel.send(());
        }
    }
}

fn seconds_of(moment: prost_types::Timestamp) -> f64 {
    moment.seconds as f64 + f64::from(moment.nanos) / 1e9
}
