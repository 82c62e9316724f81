//! From a request to what its caller may use: who calls, which app, until when.
//! The only way to an app's client.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::gate::Call;
use super::status;
use crate::access::{self, Access, Caller};
use crate::wecom::Client;

/// Deadline of a call whose caller set none.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(15);
/// No unary call takes longer, whatever its caller allows.
const LONGEST_DEADLINE: Duration = Duration::from_secs(30);
/// Deadline of the transfer of a file, and the longest: 20 MiB at 256 KiB/s take
/// 80 s, twice since the gateway stands in between, and WeCom has a minute to answer.
const TRANSFER_DEADLINE: Duration = Duration::from_secs(300);
/// No stream of a list lives longer, and one whose caller set no deadline as long.
const STREAM_DEADLINE: Duration = Duration::from_secs(30 * 60);
/// The header of a caller's deadline, by gRPC's wire format.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Kept back from WeCom, so that an answer still reaches the caller in time.
const ANSWER_MARGIN: Duration = Duration::from_millis(50);

/// Every caller and every app.
#[derive(Clone)]
pub struct Callers(Arc<Inner>);

struct Inner {
    access: Arc<Access>,
    clients: Vec<Client>,
}

/// A call that was let in.
pub(super) struct Admitted {
    callers: Callers,
    call: Arc<Call>,
    /// When the answer must be there.
    pub(super) deadline: Instant,
    /// Whether that is our limit, and not one that the caller set.
    pub(super) is_our_limit: bool,
}

impl Callers {
    /// Of these callers and apps.
    pub fn new(access: Arc<Access>, clients: Vec<Client>) -> Self {
        Self(Arc::new(Inner { access, clients }))
    }

    /// How many callers are configured.
    pub(super) fn count(&self) -> usize {
        self.0.access.len()
    }

    /// Who calls, see [`Access::identify`].
    pub(super) fn identify(
        &self,
        authorization: Option<&str>,
        certificate_names: &[String],
    ) -> Result<Arc<Caller>, access::Error> {
        self.0.access.identify(authorization, certificate_names)
    }

    /// Lets a call of `rpc` in, or tells why not.
    pub(super) fn admit<T>(&self, request: &Request<T>, rpc: &str) -> Result<Admitted, Status> {
        self.admit_within(request, rpc, DEFAULT_DEADLINE, LONGEST_DEADLINE)
    }

    /// Lets a call of `rpc` in that moves a file.
    pub(super) fn admit_transfer<T>(
        &self,
        request: &Request<T>,
        rpc: &str,
    ) -> Result<Admitted, Status> {
        self.admit_within(request, rpc, TRANSFER_DEADLINE, TRANSFER_DEADLINE)
    }

    /// Lets a call of `rpc` in that answers with a stream of a list's parts.
    pub(super) fn admit_stream<T>(
        &self,
        request: &Request<T>,
        rpc: &str,
    ) -> Result<Admitted, Status> {
        self.admit_within(request, rpc, STREAM_DEADLINE, STREAM_DEADLINE)
    }

    fn admit_within<T>(
        &self,
        request: &Request<T>,
        rpc: &str,
        default: Duration,
        longest: Duration,
    ) -> Result<Admitted, Status> {
        let call = request.extensions().get::<Arc<Call>>();
        let call = call.ok_or_else(|| status::internal("a call came past the gate"))?;
        if !call.caller.may_call(rpc) {
            return Err(status::access(access::Error::NotPermitted));
        }
        let limit = time_limit(request.metadata(), default, longest);
        Ok(Admitted {
            callers: self.clone(),
            call: call.clone(),
            deadline: Instant::now() + limit,
            is_our_limit: limit == longest - ANSWER_MARGIN,
        })
    }
}

impl Admitted {
    /// The caller's name.
    pub(super) fn name(&self) -> &str {
        self.call.caller.name()
    }

    /// The path of WeCom as listed for the caller.
    pub(super) fn api_path(&self, path: &str) -> Result<&'static str, Status> {
        self.call
            .caller
            .api_path(path)
            .ok_or_else(|| status::api_path_not_listed(path))
    }

    /// The apps that the caller may use, in the order of the configuration.
    pub(super) fn apps(&self) -> impl Iterator<Item = &Client> {
        self.callers
            .0
            .clients
            .iter()
            .filter(|client| self.call.caller.may_use(client.name()))
    }

    /// Takes note of the job that the call makes or changes, for the audit.
    pub(super) fn note_job(&self, job_id: &str) {
        self.call.note_job(job_id);
    }

    /// The client of `app`; empty means the only one.
    pub(super) fn app(&self, app: &str) -> Result<Client, Status> {
        let mut matching = self
            .apps()
            .filter(|client| app.is_empty() || client.name() == app);
        match (matching.next(), matching.next()) {
            (Some(only), None) => {
                self.call.note_app(only);
                Ok(only.clone())
            }
            _ => Err(status::app_not_found(
                app,
                &self.apps().map(Client::name).collect::<Vec<_>>(),
            )),
        }
    }
}

/// The time that a caller gives, if it says so.
pub(super) fn asked_time(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?;
    grpc_timeout(value.to_str().ok()?)
}

/// The time of a unary call whose caller asked for so much.
pub(super) fn unary_time(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(DEFAULT_DEADLINE).min(LONGEST_DEADLINE)
}

fn time_limit(metadata: &MetadataMap, default: Duration, longest: Duration) -> Duration {
    let asked = asked_time(metadata.as_ref());
    let limit = asked.unwrap_or(default).min(longest);
    limit.saturating_sub(ANSWER_MARGIN)
}

/// At most eight digits and a unit, by gRPC's wire format.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_the_wire_are_read_and_capped() {
        let limit = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            time_limit(&metadata, DEFAULT_DEADLINE, LONGEST_DEADLINE)
        };
        assert_eq!(limit("200m"), Duration::from_millis(150));
        assert_eq!(limit("5S"), Duration::from_millis(4950));
        assert_eq!(limit("99999999H"), LONGEST_DEADLINE - ANSWER_MARGIN);
        assert_eq!(limit("1n"), Duration::ZERO);
        for nonsense in ["", "S", "-1S", "1.5S", "123456789S", "5s", "5x"] {
            assert_eq!(
                limit(nonsense),
                DEFAULT_DEADLINE - ANSWER_MARGIN,
                "{nonsense}"
            );
        }
    }
}
