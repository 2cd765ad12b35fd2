//! Enqueues a job and prints its id.
//!
//! Usage: producer [KIND [PAYLOAD]]

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use gosynq_clients_rust::connection;
use gosynq_clients_rust::gosynq::v1::job_service_client::JobServiceClient;
use gosynq_clients_rust::gosynq::v1::{EnqueueJobRequest, JobSpec, job_spec::Content};
use tonic::Request;

const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (kind, payload) = match arguments.next() {
        None => ("echo".to_owned(), r#"{"message":"hello"}"#.to_owned()),
        Some(kind) => (kind, arguments.next().unwrap_or_else(|| "{}".to_owned())),
    };
    connection::exit("producer", produce(kind, payload).await)
}

async fn produce(kind: String, payload: String) -> Result<(), Box<dyn Error>> {
    let client = JobServiceClient::new(connection::open()?);
    let job = JobSpec {
        queue: connection::queue(),
        kind,
        content: Some(Content::PayloadBytes(payload.into_bytes())),
        content_type: "application/json".to_owned(),
        // Because of it the call may be repeated.
        idempotency_key: format!("{:032x}", fastrand::u128(..)),
        ..JobSpec::default()
    };
    let response = connection::repeat(DEADLINE, |left| {
        let mut request = Request::new(EnqueueJobRequest { job: Some(job.clone()), ..Default::default() });
        request.set_timeout(left);
        let mut client = client.clone();
        async move { client.enqueue_job(request).await }
    });
    println!("{}", response.await?.into_inner().job_id);
    Ok(())
}
