//! A message as the bytes that go out. They are rendered once: WeCom recognises
//! a repetition by its bytes, so a repetition, even by a later process, must be
//! these very bytes.

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;

use super::{Recipients, Send, Sent};
use crate::wecom::call::{Call, Payload, Repeat};
use crate::wecom::client::Client;
use crate::wecom::content::TaskCardName;
use crate::wecom::errcode::Class;
use crate::wecom::error::{Error, Refusal, Result};
use crate::wecom::media::{self, Used};
use crate::wecom::transport;

/// WeCom's code when no recipient could get the message.
const ALL_RECIPIENTS_INVALID: i64 = 81013;
/// WeCom's code for a task id that it does not take, as when it was used before.
const TASK_ID_USED: i64 = 42014;
/// How each body begins that names members.
const OPENING: &[u8] = br#"{"touser":""#;
/// Refusals of a whole message that one bad user id can cause
/// (<https://developer.work.weixin.qq.com/document/path/90313>).
const BY_ONE_RECIPIENT: [i64; 5] = [40003, 40031, 46004, 60111, 301_021];
/// A call lasts at most 30 seconds with all its repetitions; a window of twice that
/// covers the last of them.
const LEAST_WINDOW_SECONDS: u32 = 60;
/// WeCom's interval of the duplicate check when none is given, in seconds.
const DEFAULT_INTERVAL_SECONDS: u32 = 1800;

/// Stands before the interval in the body.
const INTERVAL_KEY: &[u8] = b"\"duplicate_check_interval\":";

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).rposition(|window| window == part)
}

/// message/send with its body.
pub struct Rendered {
    body: Bytes,
    recipients: Recipients,
    /// Seconds in which WeCom recognises a repetition; `None` without the check.
    duplicate_window_seconds: Option<u32>,
    /// The media ids that stand in the places of inline bytes.
    pub(in crate::wecom) uploads: Vec<Used>,
    bulk: bool,
}

impl Rendered {
    /// Path of the call.
    pub const PATH: &'static str = "message/send";

    pub(in crate::wecom) fn new(
        send: Send,
        agent_id: u32,
        task_card_name: TaskCardName,
    ) -> Result<Self> {
        let body = send
            .body(agent_id, task_card_name)
            .map_err(|error| Error::Internal(format!("cannot render the message: {error}")))?;
        let duplicate_window_seconds = send
            .duplicate_check
            .as_ref()
            .filter(|check| check.enabled)
            .map(|check| check.interval_seconds.unwrap_or(DEFAULT_INTERVAL_SECONDS));
        Ok(Self {
            body: body.into(),
            recipients: send.recipients,
            duplicate_window_seconds,
            uploads: Vec::new(),
            bulk: false,
        })
    }

    /// From the body of an earlier send that is to be repeated.
    pub fn again(body: Bytes, recipients: Recipients) -> Result<Self> {
        #[derive(Deserialize)]
        struct Check {
            #[serde(default)]
            enable_duplicate_check: u8,
            duplicate_check_interval: Option<u32>,
        }
        let check: Check = serde_json::from_slice(&body)
            .map_err(|_| Error::Internal("a stored message is no JSON".into()))?;
        let duplicate_window_seconds = (check.enable_duplicate_check == 1).then(|| {
            check
                .duplicate_check_interval
                .unwrap_or(DEFAULT_INTERVAL_SECONDS)
        });
        Ok(Self {
            body,
            recipients,
            duplicate_window_seconds,
            uploads: Vec::new(),
            bulk: false,
        })
    }

    /// One call of a bulk job: the members, joined by `|`, and the rest of the message. It
    /// is sent once; the job repeats it if it must.
    pub fn batch(user_ids: &str, rest: &[u8]) -> Self {
        let mut body = Vec::with_capacity(OPENING.len() + user_ids.len() + rest.len());
        body.extend_from_slice(OPENING);
        body.extend_from_slice(user_ids.as_bytes());
        body.extend_from_slice(rest);
        let user_ids = user_ids.split('|').map(str::to_owned).collect();
        Self {
            body: body.into(),
            recipients: Recipients {
                user_ids,
                ..Recipients::default()
            },
            duplicate_window_seconds: None,
            uploads: Vec::new(),
            bulk: true,
        }
    }

    /// The media ids that stand in the places of inline bytes.
    pub fn uploads(&self) -> &[Used] {
        &self.uploads
    }

    /// The request body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Seconds in which WeCom recognises a repetition; `None` without the check.
    pub fn duplicate_window_seconds(&self) -> Option<u32> {
        self.duplicate_window_seconds
    }

    /// Gives the duplicate check another interval, where it has one.
    pub fn set_interval(&mut self, seconds: u32) {
        // Inside a string the quotes would have a backslash: this is the key itself.
        let Some(at) = find(&self.body, INTERVAL_KEY) else {
            return;
        };
        let (head, rest) = self.body.split_at(at + INTERVAL_KEY.len());
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let seconds_text = seconds.to_string();
        self.body = [head, seconds_text.as_bytes(), &rest[digits..]]
            .concat()
            .into();
        self.duplicate_window_seconds = Some(seconds);
    }

    /// Spells the user ids of a reply as the request did.
    pub fn spell(&self, sent: &mut Sent) {
        sent.in_the_spelling_of(&self.recipients);
    }
}

impl Call for Rendered {
    const PATH: &'static str = Self::PATH;
    /// Messages do not count for the base frequency.
    const BASE_LIMITED: bool = false;
    type Reply = Sent;

    fn repeat(&self) -> Repeat {
        match self.duplicate_window_seconds {
            Some(seconds) if seconds >= LEAST_WINDOW_SECONDS => Repeat::SameBytes,
            // Too short to be sure that a repetition arrives inside it.
            _ => Repeat::WhileUnsent,
        }
    }

    fn payload(&self) -> Payload {
        Payload::Json(self.body.clone())
    }

    /// Media end: that they are gone now does not mean that they were gone before.
    fn may_follow_success(&self, refusal: &Refusal) -> bool {
        // So is a task id that the attempt before has used up.
        media::is_lost(refusal)
            || refusal.errcode == TASK_ID_USED
            || refusal.class() != Some(Class::InvalidRequest)
    }

    fn members(&self) -> &[String] {
        &self.recipients.user_ids
    }

    fn leaves_room(&self) -> bool {
        self.bulk
    }

    fn refused(&self, refusal: Refusal, body: &[u8]) -> Error {
        if refusal.errcode != ALL_RECIPIENTS_INVALID {
            return Error::Refused {
                path: Self::PATH,
                refusal,
            };
        }
        let mut recipients = transport::reply_in_refusal::<Sent>(body).unwrap_or_default();
        self.spell(&mut recipients);
        Error::AllRecipientsInvalid {
            refusal,
            recipients: Box::new(recipients),
        }
    }
}

impl Send {
    /// What follows the members in the body: the same for every batch of a bulk job.
    fn rest(mut self, agent_id: u32, task_card_name: TaskCardName) -> Result<Vec<u8>> {
        self.recipients.user_ids = vec![String::new()];
        let mut body = self
            .body(agent_id, task_card_name)
            .map_err(|error| Error::Internal(format!("cannot render the message: {error}")))?;
        debug_assert!(body.starts_with(OPENING), "a body begins with its members");
        Ok(body.split_off(OPENING.len()))
    }
}

/// Whether one recipient can be why the whole message was refused.
pub fn is_by_one_recipient(refusal: &Refusal) -> bool {
    BY_ONE_RECIPIENT.contains(&refusal.errcode)
}

impl Client {
    /// Uploads the media in a checked message, and renders what each batch of a bulk job
    /// adds to its members; see [`Rendered::batch`].
    pub async fn prepare_rest(&self, mut send: Send, deadline: Instant) -> Result<Vec<u8>> {
        self.upload(send.content.inline_media(), deadline).await?;
        send.rest(self.agent_id(), self.task_card_name())
    }

    /// Checks a message, uploads the media in it, and sends it. Where WeCom has lost
    /// media that were uploaded earlier for the same bytes, it does so once more.
    pub async fn send(&self, mut send: Send, deadline: Instant) -> Result<Sent> {
        let mut spare = send.spare();
        loop {
            let rendered = self.prepare(send, deadline).await?;
            let error = match self.call(&rendered, deadline).await {
                Ok(mut sent) => {
                    rendered.spell(&mut sent);
                    return Ok(sent);
                }
                Err(error) => error,
            };
            let lost = self.media_was_lost(rendered.uploads(), &error).await;
            match spare.take() {
                Some(again) if lost => send = again,
                _ => return Err(error),
            }
        }
    }
}
