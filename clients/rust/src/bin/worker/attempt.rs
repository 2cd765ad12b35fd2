//! From a lease to the result that ends it.

use std::future::pending;
use std::time::Duration;

use gosynq_clients_rust::gosynq::v1::{
    self as api, JobCancelled, JobError, JobFailure, JobProgress, JobProgressReport, JobRelease, JobResult, JobSnooze,
    JobSuccess, Lease, LeaseRef, job_result::Outcome, job_success::Output,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::handlers::{Content, Ending, Failure, Job, handle};

/// A lease from its grant until its result is acknowledged, or it is lost: to drop it is to stop its handler.
pub struct Attempt {
    /// What its handler is run with; taken when it begins.
    pub unbegun: Option<(Lease, oneshot::Receiver<()>)>,
    /// Taken by the first cancel.
    pub cancel: Option<oneshot::Sender<()>>,
    /// None while the handler runs.
    pub result: Option<JobResult>,
}

/// What an attempt is run with.
pub struct Surroundings {
    pub cancelled: oneshot::Receiver<()>,
    pub released: CancellationToken,
    pub reports: mpsc::Sender<JobProgressReport>,
}

/// Names a lease. The token alone is only new among those of one job.
pub fn name_of(lease: &Lease) -> LeaseRef {
    let job_id = lease.job.as_ref().map(|job| job.id.clone());
    LeaseRef { job_id: job_id.unwrap_or_default(), lease_token: lease.lease_token.clone() }
}

/// Runs a lease's handler and returns what it came to; nothing if the lease was lost meanwhile.
pub async fn perform(lease: Lease, around: Surroundings) -> Option<JobResult> {
    let name = name_of(&lease);
    let limit = lease.job.as_ref().and_then(|job| job.attempt_timeout);
    // A task of its own, so that a panic ends no more than the attempt.
    let mut handling = tokio::spawn(handle(job_of(lease, around.reports)));
    let outcome = tokio::select! {
        ended = &mut handling => outcome_of(ended),
        cancelled = around.cancelled => cancelled.ok().map(|()| cancelled_outcome()),
        () = around.released.cancelled() => Some(Outcome::Release(JobRelease {})),
        () = over(limit) => Some(failed("TimedOut", Failure::again("the attempt took too long"))),
    };
    handling.abort();
    outcome.map(|outcome| JobResult { lease: Some(name), outcome: Some(outcome) })
}

/// A failed outcome.
pub fn failed(kind: &str, Failure { message, non_retryable }: Failure) -> Outcome {
    let error = JobError { r#type: kind.to_owned(), message, non_retryable, ..JobError::default() };
    Outcome::Failure(JobFailure { error: Some(error), retry_after: None })
}

fn outcome_of(ended: Result<Result<Ending, Failure>, JoinError>) -> Option<Outcome> {
    Some(match ended {
        Ok(Ok(Ending::Done(output))) => Outcome::Success(success(output)),
        Ok(Ok(Ending::Snooze(delay))) => Outcome::Snooze(JobSnooze { delay: delay.try_into().ok() }),
        Ok(Err(failure)) => failed("HandlerFailed", failure),
        Err(panic) => failed("HandlerPanicked", Failure::again(panic)),
    })
}

fn success(output: Option<Content>) -> JobSuccess {
    output.map_or_else(JobSuccess::default, |content| JobSuccess {
        output: Some(Output::ResultBytes(content.bytes)),
        result_content_type: content.media_type,
    })
}

fn cancelled_outcome() -> Outcome {
    Outcome::Cancelled(JobCancelled { message: "stopped".to_owned() })
}

fn job_of(lease: Lease, reports: mpsc::Sender<JobProgressReport>) -> Job {
    let name = name_of(&lease);
    let job = lease.job.unwrap_or_default();
    let bytes = match job.content {
        Some(api::job::Content::PayloadBytes(bytes)) => bytes,
        _ => Vec::new(),
    };
    Job {
        kind: job.kind,
        payload: Content { bytes, media_type: job.content_type },
        is_first_lease: lease.lease_sequence == 1,
        report: Box::new(move |current, total| {
            let progress = JobProgress { current, total, ..JobProgress::default() };
            // Progress is best effort: a handler does not wait for a stream.
            let _ = reports.try_send(JobProgressReport { lease: Some(name.clone()), progress: Some(progress) });
        }),
    }
}

async fn over(limit: Option<prost_types::Duration>) {
    match limit.and_then(|limit| Duration::try_from(limit).ok()) {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}
