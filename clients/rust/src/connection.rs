//! The channel that the programs share. tonic knows no service configs: what the others read from
//! one stands here as code.

use std::env;
use std::error::Error as _;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Channel, Endpoint, Error};
use tonic::{Code, Status};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(5);

/// Gives a channel to GOSYNQ_TARGET, which connects with its first call.
pub fn open() -> Result<Channel, Error> {
    let target = setting("GOSYNQ_TARGET", "localhost:50051");
    let endpoint = Endpoint::from_shared(format!("http://{target}"))?
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    Ok(endpoint.connect_lazy())
}

/// Gives GOSYNQ_QUEUE.
pub fn queue() -> String {
    setting("GOSYNQ_QUEUE", "default")
}

fn setting(name: &str, otherwise: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

/// Makes a call again for as long as no server answers it, within one deadline for all tries. Only
/// for what may be repeated. The call is told how much time is left.
pub async fn repeat<T, F>(within: Duration, mut call: impl FnMut(Duration) -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let deadline = Instant::now() + within;
    let mut backoff = Backoff::default();
    let mut last = Status::deadline_exceeded("no answer in time");
    loop {
        match timeout_at(deadline, call(deadline - Instant::now())).await {
            Ok(Err(status)) if may_pass(&status) => last = status,
            Ok(answer) => return answer,
            Err(_) => return Err(last),
        }
        let delay = backoff.next_delay();
        if Instant::now() + delay >= deadline {
            return Err(last);
        }
        sleep(delay).await;
    }
}

/// A status with a source was made here, of a broken connection, and sent by no server.
fn may_pass(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled) || status.source().is_some()
}

/// Whether it is of no use to try again. Aborted is another worker's doing, which has this one's id.
pub fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Aborted
            | Code::InvalidArgument
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::Unimplemented
    )
}

/// Waits between tries: twice as long each time, up to five seconds, less a random part.
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST_DELAY)
    }
}

impl Backoff {
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.0;
        self.0 = (2 * delay).min(LAST_DELAY);
        delay.mul_f64(0.5 + 0.5 * fastrand::f64())
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Returns a future that is done at SIGTERM or SIGINT, which end the process no more.
pub fn stop_asked() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Says why a program failed, if it did.
pub fn exit(program: &str, ended: Result<(), impl Display>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}
