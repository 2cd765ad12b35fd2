//! The handlers of the example: they do no work, and show each way in which a job can end.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

pub const KINDS: [&str; 5] = ["echo", "fail", "long", "sleep", "snooze"];

/// What a job carries, or returns.
pub struct Content {
    pub bytes: Vec<u8>,
    pub media_type: String,
}

/// What a handler sees.
pub struct Job {
    pub kind: String,
    pub payload: Content,
    /// Tells a job that was put off from a new one.
    pub is_first_lease: bool,
    /// Tells of progress: how far, of how much.
    pub report: Box<dyn Fn(i64, i64) + Send + Sync>,
}

pub enum Ending {
    Done(Option<Content>),
    Snooze(Duration),
}

pub struct Failure {
    pub message: String,
    pub non_retryable: bool,
}

impl Failure {
    pub fn again(message: impl ToString) -> Self {
        Self { message: message.to_string(), non_retryable: false }
    }

    pub fn for_good(message: impl ToString) -> Self {
        Self { message: message.to_string(), non_retryable: true }
    }
}

/// Does a job. It is dropped at an await when the job is to stop.
pub async fn handle(job: Job) -> Result<Ending, Failure> {
    match job.kind.as_str() {
        "echo" => Ok(Ending::Done(Some(job.payload))),
        "sleep" | "long" => rest(job).await,
        "fail" => Err(fail(&job)),
        "snooze" if job.is_first_lease => Ok(Ending::Snooze(seconds(&job)?)),
        "snooze" => Ok(Ending::Done(None)),
        kind => Err(Failure::for_good(format!("there is no handler for {kind}"))),
    }
}

async fn rest(job: Job) -> Result<Ending, Failure> {
    const STEPS: u32 = 10;
    let step = seconds(&job)? / STEPS;
    for done in 1..=STEPS {
        sleep(step).await;
        (job.report)(done.into(), STEPS.into());
    }
    Ok(Ending::Done(None))
}

fn fail(job: &Job) -> Failure {
    #[derive(Deserialize)]
    struct Asked {
        message: String,
        #[serde(default)]
        non_retryable: bool,
    }
    match parse(job) {
        Ok(Asked { message, non_retryable }) => Failure { message, non_retryable },
        Err(failure) => failure,
    }
}

fn seconds(job: &Job) -> Result<Duration, Failure> {
    #[derive(Deserialize)]
    struct Asked {
        seconds: f64,
    }
    let Asked { seconds } = parse(job)?;
    Duration::try_from_secs_f64(seconds).map_err(Failure::for_good)
}

fn parse<T: DeserializeOwned>(job: &Job) -> Result<T, Failure> {
    serde_json::from_slice(&job.payload.bytes).map_err(Failure::for_good)
}
