//! Prints what happens to the jobs of a queue, from the oldest stored event on: JOB_ID REVISION TYPE.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use gosynq_clients_rust::connection::{self, Backoff};
use gosynq_clients_rust::gosynq::v1::event_service_client::EventServiceClient;
use gosynq_clients_rust::gosynq::v1::{JobEvent, WatchEventsRequest, watch_events_request::Start};
use tokio::time::{error::Elapsed, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status};

const HEARTBEAT: Duration = Duration::from_secs(5);
/// A stream has no deadline; instead, none of its responses may be late.
const SILENCE: Duration = Duration::from_secs(15);

struct Watcher {
    client: EventServiceClient<Channel>,
    cursor: Option<String>,
    backoff: Backoff,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    connection::exit("watcher", watch().await)
}

async fn watch() -> Result<(), Box<dyn Error>> {
    let stop = connection::stop_asked()?;
    let client = EventServiceClient::new(connection::open()?);
    let mut watcher = Watcher { client, cursor: None, backoff: Backoff::default() };
    tokio::select! {
        status = watcher.run() => Err(status.into()),
        () = stop => Ok(()),
    }
}

impl Watcher {
    /// Watches until a server refuses it, and says why.
    async fn run(&mut self) -> Status {
        loop {
            match self.watch().await {
                Ok(()) => {}
                Err(status) if status.code() == Code::OutOfRange => {
                    return Status::out_of_range("events were missed, as they are no longer stored");
                }
                Err(status) if connection::is_final(&status) => return status,
                Err(status) => eprintln!("watcher: interrupted: {}", status.message()),
            }
            sleep(self.backoff.next_delay()).await;
        }
    }

    /// Prints events until the stream ends, and keeps the cursor to go on from.
    async fn watch(&mut self) -> Result<(), Status> {
        let request = self.request();
        let call = timeout(SILENCE, self.client.watch_events(request));
        let mut stream = call.await.map_err(silent)??.into_inner();
        while let Some(response) = timeout(SILENCE, stream.message()).await.map_err(silent)?? {
            response.events.iter().for_each(print);
            self.cursor = Some(response.cursor);
            self.backoff.reset();
        }
        Ok(())
    }

    fn request(&self) -> WatchEventsRequest {
        let start = self.cursor.clone().map_or(Start::FromOldest(true), Start::Cursor);
        WatchEventsRequest {
            queues: vec![connection::queue()],
            heartbeat_interval: HEARTBEAT.try_into().ok(),
            start: Some(start),
            ..WatchEventsRequest::default()
        }
    }
}

fn print(event: &JobEvent) {
    let name = event.r#type().as_str_name().trim_start_matches("EVENT_TYPE_");
    println!("{} {} {}", event.job_id, event.revision, name.to_lowercase());
}

fn silent(_: Elapsed) -> Status {
    Status::unavailable("no response for three heartbeats")
}
