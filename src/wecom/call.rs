//! What an endpoint says of itself. Adding one is a request struct, a reply
//! struct and an `impl Call`.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::errcode::Class;
use super::error::{Error, Refusal};
use super::media::Spooled;

/// One endpoint of WeCom with its request.
pub trait Call: Send + Sync {
    /// Path below `/cgi-bin/`.
    const PATH: &'static str;
    /// Whether the corp's base frequency limit counts the call.
    const BASE_LIMITED: bool = true;
    /// Which secret's token the call takes.
    const CREDENTIAL: Credential = Credential::App;
    /// The answer, beside `errcode` and `errmsg`.
    type Reply: DeserializeOwned + Send;

    /// Path below `/cgi-bin/`; another than [`Call::PATH`] only where an operator
    /// lists the paths.
    fn path(&self) -> &'static str {
        Self::PATH
    }

    /// Whether and when the call may be repeated.
    fn repeat(&self) -> Repeat;

    /// What is sent.
    fn payload(&self) -> Payload;

    /// Members who get a message by this call, for the limits that WeCom keeps
    /// for each of them.
    fn members(&self) -> &[String] {
        &[]
    }

    /// Whether it leaves room below the limits of each member, as those should that
    /// nobody waits for.
    fn leaves_room(&self) -> bool {
        false
    }

    /// What the call takes of the limits that WeCom keeps for app chats.
    fn chat_share(&self) -> Option<ChatShare<'_>> {
        None
    }

    /// Makes the error of a refusal, for endpoints that say more than a code.
    fn refused(&self, refusal: Refusal, _body: &[u8]) -> Error {
        Error::Refused {
            path: self.path(),
            refusal,
        }
    }

    /// Whether this refusal of a repetition leaves open that an earlier attempt,
    /// whose answer was lost, was carried out.
    fn may_follow_success(&self, refusal: &Refusal) -> bool {
        // WeCom refuses a bad request each time.
        refusal.class() != Some(Class::InvalidRequest)
    }
}

/// A call's share of the limits that WeCom keeps for app chats (应用群聊).
#[derive(Debug, Clone, Copy)]
pub enum ChatShare<'a> {
    /// One message to each of these members of a chat.
    Message(&'a [String]),
    /// One new chat.
    Creation,
    /// One change of a chat.
    Change,
}

/// Which of an app's secrets a call's token is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The app's own.
    App,
    /// The contacts secret (通讯录同步) where the operator gave it for details too,
    /// else the app's own.
    Directory,
    /// The contacts secret; WeCom takes no other.
    Contacts,
}

/// Which repetitions of a call do no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Any: the call only reads, or doing it twice is doing it once.
    Freely,
    /// The same bytes: WeCom recognises the repetition.
    SameBytes,
    /// Only while nothing was written to the connection.
    WhileUnsent,
}

/// The body of a request, shared by its repetitions.
#[derive(Clone)]
pub enum Payload {
    /// No body: a GET with these query parameters.
    Query(Vec<(&'static str, String)>),
    /// A POST with this JSON.
    Json(Bytes),
    /// A call that a caller put together: a GET without a body, else a POST with
    /// this JSON.
    Raw {
        /// Query parameters, beside the token.
        query: Vec<(String, String)>,
        /// The body.
        body: Option<Bytes>,
    },
    /// A POST with one file, as `multipart/form-data`.
    File(Arc<File>),
}

impl Payload {
    /// The JSON of a body made of numbers, strings and lists of them.
    pub(super) fn json(body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("numbers, strings and lists always render");
        Self::Json(body.into())
    }
}

/// A file to upload.
pub struct File {
    /// WeCom's `type` in the query; the upload of pictures has none.
    pub media_type: Option<&'static str>,
    /// The name that recipients see.
    pub file_name: String,
    /// Its MIME type.
    pub content_type: &'static str,
    /// The bytes.
    pub data: FileData,
}

/// Where the bytes of a file are until they are sent.
pub enum FileData {
    /// In memory: they came inside a message.
    Memory(Bytes),
    /// On disk: they came as a stream.
    Disk(Spooled),
}
