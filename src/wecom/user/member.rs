//! A member as WeCom tells of one.
//!
//! WeCom leaves out what the app may not read, and gives `""` where nothing was
//! entered: the fields that it withholds are options here. Which they are, and since
//! when: <https://developer.work.weixin.qq.com/document/path/90196> (read on 2026-11-24).

use serde::{Deserialize, Deserializer};

use super::lenient::{number, numbers, or_default};

/// A member (成员).
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// As stored.
    #[serde(rename = "userid")]
    pub user_id: String,
    /// The name.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Departments in the visible range; [`Member::places`] joins them with the two
    /// lists beside it.
    #[serde(rename = "department", default, deserialize_with = "numbers")]
    pub department_ids: Vec<u32>,
    #[serde(rename = "order", default, deserialize_with = "numbers")]
    orders: Vec<u32>,
    #[serde(rename = "is_leader_in_dept", default, deserialize_with = "numbers")]
    leads: Vec<u32>,
    /// 0 when WeCom gives none.
    #[serde(rename = "main_department", default, deserialize_with = "number")]
    pub main_department_id: u32,
    /// Job title.
    #[serde(default, deserialize_with = "or_default")]
    pub position: String,
    /// Whom the member reports to.
    #[serde(rename = "direct_leader", default, deserialize_with = "or_default")]
    pub leader_user_ids: Vec<String>,
    /// Another name.
    #[serde(default, deserialize_with = "or_default")]
    pub alias: String,
    /// English name, in lists only.
    #[serde(default, deserialize_with = "or_default")]
    pub english_name: String,
    /// Desk phone.
    #[serde(default, deserialize_with = "or_default")]
    pub telephone: String,
    /// State of the account.
    #[serde(default, deserialize_with = "status")]
    pub status: Status,
    /// Gender.
    #[serde(default, deserialize_with = "gender")]
    pub gender: Gender,
    /// Mobile number.
    pub mobile: Option<String>,
    /// Personal e-mail address.
    pub email: Option<String>,
    /// Corporate e-mail address.
    #[serde(rename = "biz_mail")]
    pub corp_email: Option<String>,
    /// Address of the picture.
    #[serde(rename = "avatar")]
    pub avatar_url: Option<String>,
    /// Address of the small picture.
    #[serde(rename = "thumb_avatar")]
    pub thumbnail_avatar_url: Option<String>,
    /// Address of the QR code.
    #[serde(rename = "qr_code")]
    pub qr_code_url: Option<String>,
    /// Postal address.
    pub address: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    extattr: Attributes,
    /// Job title, as outsiders see it.
    #[serde(default, deserialize_with = "or_default")]
    pub external_position: String,
    /// What outsiders see.
    pub external_profile: Option<ExternalProfile>,
    /// Id for third-party apps.
    #[serde(rename = "open_userid", default, deserialize_with = "or_default")]
    pub open_user_id: String,
}

/// Shows the id alone: the rest is about a person.
impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// A member's place in a department.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The department.
    pub department_id: u32,
    /// Rank in it: larger comes first.
    pub order: u32,
    /// Whether the member leads it.
    pub leader: bool,
}

impl Member {
    /// The places in departments. Brief lists give neither rank nor lead.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let ids = self.department_ids.iter().enumerate();
        ids.map(|(index, &department_id)| Place {
            department_id,
            order: self.orders.get(index).copied().unwrap_or_default(),
            leader: self.leads.get(index) == Some(&1),
        })
    }

    /// The fields that the corp added.
    pub fn take_attributes(&mut self) -> Vec<Attribute> {
        std::mem::take(&mut self.extattr.attrs)
    }
}

/// State of a member's account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    /// Not given, or none that is known.
    #[default]
    Unknown,
    /// 1
    Active,
    /// 2
    Disabled,
    /// 4
    NotActivated,
    /// 5
    Left,
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    Ok(match number(deserializer)? {
        1 => Status::Active,
        2 => Status::Disabled,
        4 => Status::NotActivated,
        5 => Status::Left,
        _ => Status::Unknown,
    })
}

/// Gender of a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gender {
    /// "0": not entered, or not given to the app.
    #[default]
    Unknown,
    /// "1"
    Male,
    /// "2"
    Female,
}

/// WeCom writes it as a string.
fn gender<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Gender, D::Error> {
    Ok(match number(deserializer)? {
        1 => Gender::Male,
        2 => Gender::Female,
        _ => Gender::Unknown,
    })
}

#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
struct Attributes {
    #[serde(default, deserialize_with = "or_default")]
    attrs: Vec<Attribute>,
}

/// A field that the corp defined.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "WireAttribute")]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value; `None` for a type that is not known.
    pub value: Option<AttributeValue>,
}

/// The value of an [`Attribute`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Type 0.
    Text(String),
    /// Type 1.
    Link(Link),
    /// Type 2.
    MiniProgram(MiniProgram),
}

/// A link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Link {
    /// Where it leads.
    pub url: String,
    /// The text to show.
    pub title: String,
}

/// A page of a mini program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MiniProgram {
    /// Id of the mini program.
    #[serde(rename = "appid")]
    pub app_id: String,
    /// Its page.
    #[serde(rename = "pagepath")]
    pub page_path: String,
    /// The text to show.
    pub title: String,
}

#[derive(Deserialize)]
struct WireAttribute {
    #[serde(rename = "type", default, deserialize_with = "number")]
    kind: u32,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    text: Option<WireText>,
    web: Option<Link>,
    miniprogram: Option<MiniProgram>,
}

#[derive(Deserialize)]
struct WireText {
    #[serde(default, deserialize_with = "or_default")]
    value: String,
}

impl From<WireAttribute> for Attribute {
    fn from(wire: WireAttribute) -> Self {
        let value = match wire.kind {
            0 => wire.text.map(|text| AttributeValue::Text(text.value)),
            1 => wire.web.map(AttributeValue::Link),
            2 => wire.miniprogram.map(AttributeValue::MiniProgram),
            _ => None,
        };
        Self {
            name: wire.name,
            value,
        }
    }
}

/// What outsiders see of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ExternalProfile {
    /// Short name of the corp.
    #[serde(
        rename = "external_corp_name",
        default,
        deserialize_with = "or_default"
    )]
    pub corp_name: String,
    /// The Channels account (视频号).
    pub wechat_channels: Option<WechatChannels>,
    /// Fields that the corp shows.
    #[serde(rename = "external_attr", default, deserialize_with = "or_default")]
    pub attributes: Vec<Attribute>,
}

/// A Channels account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct WechatChannels {
    /// Its name.
    #[serde(default, deserialize_with = "or_default")]
    pub nickname: String,
    /// WeCom's number for the state of the link.
    #[serde(default, deserialize_with = "number")]
    pub status: u32,
}
