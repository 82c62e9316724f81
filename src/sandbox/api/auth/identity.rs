//! auth/getuserinfo and auth/getuserdetail, also under their older names.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/91023>,
//! <https://developer.work.weixin.qq.com/document/path/95833> (read 2026-02).

use serde_json::{Map, Value};

use super::super::fields::text;
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::directory::Seat;
use crate::sandbox::login::Visitor;
use crate::sandbox::profile::{Mail, Profile};

const OPEN_ID: &str = "oSandboxVisitor0000000000001";
const EXTERNAL_USER_ID: &str = "wmSandboxCustomer00000000000001";
const DEVICE_ID: &str = "sandbox-device-0001";
/// A member of a linked corp comes with the corp's id before the userid.
const LINKED_USER_ID: &str = "ww5a9db0c5a9db1111/chenmo";

pub(super) fn get_user_info(corp: &mut Corp, app: usize, call: &Call) -> Answer {
    let legacy = corp.modes.legacy_identity;
    identify(corp, app, call, legacy).unwrap_or_else(Answer::from)
}

/// The older name, with the older spelling.
pub(super) fn get_user_info_legacy(corp: &mut Corp, app: usize, call: &Call) -> Answer {
    identify(corp, app, call, true).unwrap_or_else(Answer::from)
}

fn identify(corp: &mut Corp, app: usize, call: &Call, legacy: bool) -> Verdict<Answer> {
    let code = call.query("code");
    let code = code.ok_or_else(|| Refusal::new(41008, "missing code"))?;
    let used_is_42022 = corp.modes.used_code_42022;
    let code = corp.logins.use_code(code, app, &corp.apps, used_is_42022)?;
    let (user_id, open_id) = match legacy {
        true => ("UserId", "OpenId"),
        false => ("userid", "openid"),
    };
    let mut fields = Map::new();
    let mut set = |name: &str, value: &str| {
        fields.insert(name.into(), value.into());
    };
    match code.visitor {
        Visitor::Member(seat) => {
            set(user_id, corp.roster.user_id(seat));
            if code.private_info && corp.scopes[app].sees(seat) {
                set("user_ticket", &corp.logins.issue_user_ticket(app, seat));
            }
        }
        Visitor::Linked => set(user_id, LINKED_USER_ID),
        Visitor::Customer => {
            set(open_id, OPEN_ID);
            set("external_userid", EXTERNAL_USER_ID);
        }
        Visitor::Stranger => set(open_id, OPEN_ID),
    }
    if legacy {
        set("DeviceId", DEVICE_ID);
    }
    Ok(Answer::ok(fields))
}

pub(super) fn get_user_detail(corp: &mut Corp, app: usize, call: &Call) -> Answer {
    detail(corp, app, call).unwrap_or_else(Answer::from)
}

fn detail(corp: &Corp, app: usize, call: &Call) -> Verdict<Answer> {
    let body = serde_json::from_slice(&call.body);
    let Ok(Value::Object(body)) = body else {
        let words = "Warning: wrong json format. user_ticket missing";
        return Err(Refusal::new(84090, words));
    };
    let ticket = match text(&body, "user_ticket") {
        "" => return Err(Refusal::new(84090, "user_ticket missing")),
        ticket => ticket,
    };
    let seat = corp.logins.user_ticket(ticket, app)?;
    Ok(Answer::ok(sensitive(corp, seat)))
}

/// What a member has to show; who entered no e-mail address shows none.
fn sensitive(corp: &Corp, seat: Seat) -> Map<String, Value> {
    let profile = Profile::new(&corp.roster, seat);
    let fields = [
        ("userid", corp.roster.user_id(seat).to_string()),
        ("gender", profile.gender().to_owned()),
        ("avatar", profile.avatar(0)),
        ("qr_code", profile.qr_code()),
        ("mobile", profile.mobile()),
        ("email", profile.mail(Mail::Own)),
        ("biz_mail", profile.mail(Mail::Corp)),
        ("address", profile.address()),
    ];
    let shown = fields.into_iter().filter(|(_, value)| !value.is_empty());
    shown
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
}
