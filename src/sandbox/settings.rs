//! What the sandbox corp looks like, and which of WeCom's undocumented ways it takes.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::demo;
use super::directory::{Department, Directory, Member};

/// Department that holds the members made by [`Settings::with_crowd`].
const CROWD_DEPARTMENT_ID: u32 = 900;

/// Everything a sandbox starts from; `POST /sandbox/reset` goes back to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The corp id (企业ID) that gettoken accepts.
    pub corp_id: String,
    /// The contact-sync secret (通讯录同步); `None` for a corp without one.
    pub contacts_secret: Option<SecretString>,
    /// The self-built apps of the corp.
    pub apps: Vec<App>,
    /// Departments, members and tags.
    pub directory: Directory,
    /// The switches; `PUT /sandbox/settings` changes them at run time.
    pub modes: Modes,
    /// File to which each message/send adds a line, for those who check a gateway that is
    /// killed; `None` writes nothing.
    pub ledger_file: Option<PathBuf>,
}

impl Settings {
    /// A corp with an id and a root department, but no apps and no members.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            corp_id: demo::CORP_ID.to_owned(),
            contacts_secret: None,
            apps: Vec::new(),
            directory: Directory {
                departments: vec![Department::new(1, 0, "沙盒公司")],
                ..Directory::default()
            },
            modes: Modes::default(),
            ledger_file: None,
        }
    }

    /// The corp that `wecomgw dev` shows: two apps, six departments, thirty
    /// members, four tags, a contact-sync secret. Its secrets are fixed and say that they are not real.
    pub fn demo(listen: SocketAddr) -> Self {
        Self {
            listen,
            corp_id: demo::CORP_ID.to_owned(),
            contacts_secret: Some(demo::CONTACTS_SECRET.to_owned().into()),
            apps: demo::apps(),
            directory: demo::directory(),
            modes: Modes {
                old_apps: vec![demo::OLD_APP],
                ..Modes::default()
            },
            ledger_file: None,
        }
    }

    /// Adds `count` licensed members `user0000001`, `user0000002`, … in a
    /// department of their own (id 900), in range of every app: people for bulk sends.
    pub fn with_crowd(mut self, count: u32) -> Self {
        let department = Department::new(CROWD_DEPARTMENT_ID, 1, "批量测试");
        self.directory.departments.push(department);
        self.directory.members.extend((1..=count).map(|number| {
            let user_id = format!("user{number:07}");
            Member::new(&user_id, &format!("测试{number}"), &[CROWD_DEPARTMENT_ID])
        }));
        for app in &mut self.apps {
            app.visible.department_ids.push(CROWD_DEPARTMENT_ID);
        }
        self
    }
}

/// A self-built app (自建应用).
#[derive(Clone, Debug)]
pub struct App {
    /// Name for people; the API never sees it.
    pub name: String,
    /// `agentid`.
    pub agent_id: u32,
    /// `corpsecret`.
    pub secret: SecretString,
    /// Whether a callback URL is set; without one, cards that call back get 43012.
    pub callback_url: bool,
    /// Whether the app is enabled; gettoken answers 50003 for a disabled one.
    pub enabled: bool,
    /// The appid of the linked mini program, which alone may send `miniprogram_notice`.
    pub mini_program: Option<String>,
    /// Whether the app may use group chats. WeCom wants the root department in the
    /// visible range for that; here an app may have one without the other.
    pub app_chats: bool,
    /// The trusted domains (可信域名): host, and port where it is not the usual one.
    /// Logins return to these only.
    pub trusted_domains: Vec<String>,
    /// Whom the app may reach.
    pub visible: VisibleRange,
}

impl App {
    /// An enabled app with a callback URL and group chats, no mini program, seen by
    /// the whole corp.
    pub fn new(name: &str, agent_id: u32, secret: &str) -> Self {
        Self {
            name: name.to_owned(),
            agent_id,
            secret: secret.to_owned().into(),
            callback_url: true,
            enabled: true,
            mini_program: None,
            app_chats: true,
            trusted_domains: Vec::new(),
            visible: VisibleRange {
                department_ids: vec![1],
                user_ids: Vec::new(),
            },
        }
    }

    /// Whether a host and port is a trusted domain. A parent domain covers nothing.
    pub(super) fn trusts(&self, domain: &str) -> bool {
        self.trusted_domains.iter().any(|trusted| trusted == domain)
    }
}

/// The visible range (可见范围) of an app: these departments with all below
/// them, and these members.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VisibleRange {
    /// Departments, each with its whole subtree.
    pub department_ids: Vec<u32>,
    /// Single members.
    pub user_ids: Vec<String>,
}

/// What a repeated gettoken does while the last token is alive. The vendor's
/// page no longer says (document/path/91039, read 2026-02), so all four are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenMode {
    /// The same token, with the life it has left.
    Same,
    /// The same token, alive for the full time again.
    SameRenewed,
    /// A new token; the old one lives on.
    NewOldGood,
    /// A new token; the old one is dead at once.
    NewOldDead,
}

/// What "the same content" means to the duplicate check (重复消息检查).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateScope {
    /// The request bytes as sent.
    WholeBody,
    /// The request JSON without touser, toparty and totag.
    WithoutRecipients,
}

/// How a suppressed duplicate is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateAnswer {
    /// The first answer again, with the first msgid.
    SameMsgid,
    /// Success with a msgid never seen before.
    NewMsgid,
    /// This errcode; `{"errcode": 45000}` in JSON.
    Errcode(i64),
}

/// What happens to a `safe` on a message type whose table has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StraySafe {
    /// It is not looked at.
    Ignore,
    /// The call fails with 40058.
    Reject,
}

/// The switches. Each stands for something WeCom leaves unsaid, or for a limit
/// that a test wants out of the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modes {
    /// What a repeated gettoken does.
    pub token_mode: TokenMode,
    /// Life of a token, in seconds.
    pub expires_in_seconds: u64,
    /// Whether the caller's IP is on the app's list; if not, business calls get 60020.
    pub trusted_ip: bool,
    /// Bad secrets within an hour that ban the caller's IP for an hour; 0 never bans.
    pub ban_after_bad_secrets: u32,
    /// What the duplicate check compares.
    pub duplicate_scope: DuplicateScope,
    /// How it answers.
    pub duplicate_answer: DuplicateAnswer,
    /// What a stray `safe` leads to.
    pub stray_safe: StraySafe,
    /// Whether 81013 repeats the invalid recipients.
    pub lists_on_81013: bool,
    /// Whether a success shows empty lists as `""` instead of leaving them out.
    pub empty_lists: bool,
    /// Whether messages above 30 a minute or 1000 an hour to one member are dropped,
    /// and in chats those above 200 a minute or 10000 a day.
    pub member_limits: bool,
    /// Person-messages an app may send in a day before 45009; 0 is no limit.
    pub daily_person_messages: u64,
    /// Whether chats have the corp's limits, beyond which they get 45009.
    pub chat_limits: bool,
    /// What appchat/send answers to a msgtype that only message/send takes: 86214, or
    /// 40008 as some believe.
    pub chat_type_errcode: i64,
    /// Whether a task_id used twice by an app is refused with 42014.
    pub unique_task_ids: bool,
    /// Agent ids of the apps created before 2022-06-20: they alone are given mobile,
    /// e-mail, pictures, gender and address of a member.
    pub old_apps: Vec<u32>,
    /// Whether the contact-sync secret may read details, as it may from addresses
    /// known before 2022-08-15; if not, only ids, and 48009 for the rest.
    pub contacts_details: bool,
    /// Misses of getuserid and get_userid_by_email in a day before 45009; 0 is no
    /// limit. WeCom's is a fifth of the corp's account limit.
    pub resolve_misses: u64,
    /// Whether an `agentid` may be written as text, `"1000002"`. WeCom's pages say it is
    /// an integer; published SDKs send text.
    pub text_agent_ids: bool,
    /// Whether `\uXXXX` escapes in a request are refused with 40033.
    pub refuse_escapes: bool,
    /// Whether a login's code that was used is refused with 42022 instead of 40029.
    pub used_code_42022: bool,
    /// Whether auth/getuserinfo answers in the spelling of user/getuserinfo.
    pub legacy_identity: bool,
    /// Life of a JS-SDK ticket, in seconds.
    pub ticket_expires_in_seconds: u64,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            token_mode: TokenMode::Same,
            expires_in_seconds: 7200,
            trusted_ip: true,
            // The figure WeCom's staff gave on their forum; no page states one.
            ban_after_bad_secrets: 2000,
            duplicate_scope: DuplicateScope::WholeBody,
            duplicate_answer: DuplicateAnswer::SameMsgid,
            stray_safe: StraySafe::Ignore,
            lists_on_81013: true,
            empty_lists: false,
            member_limits: true,
            daily_person_messages: 0,
            chat_limits: true,
            chat_type_errcode: 86214,
            unique_task_ids: true,
            old_apps: Vec::new(),
            contacts_details: false,
            resolve_misses: 0,
            text_agent_ids: false,
            refuse_escapes: false,
            used_code_42022: false,
            legacy_identity: false,
            ticket_expires_in_seconds: 7200,
        }
    }
}
