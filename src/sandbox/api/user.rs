//! Members (成员): user/get and the calls beside it.
//!
//! Sources (read 2026-02): <https://developer.work.weixin.qq.com/document/path/90196>
//! (get), <https://developer.work.weixin.qq.com/document/path/90200> (simplelist),
//! <https://developer.work.weixin.qq.com/document/path/90201> (list),
//! <https://developer.work.weixin.qq.com/document/path/96067> (list_id),
//! <https://developer.work.weixin.qq.com/document/path/95402> (getuserid),
//! <https://developer.work.weixin.qq.com/document/path/95895> (get_userid_by_email),
//! <https://developer.work.weixin.qq.com/document/path/90202> (convert_to_…).

use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::fields::{Fields, number, text};
use super::view::{View, out_of_range};
use crate::sandbox::answer::{Answer, Refusal, Verdict};
use crate::sandbox::call::Call;
use crate::sandbox::corp::Corp;
use crate::sandbox::directory::Seat;
use crate::sandbox::profile::{self, Mail, Profile};
use crate::sandbox::token::Bearer;

/// Longest userid, in bytes.
const USER_ID: usize = 64;
/// Bytes of a mobile number.
const MOBILE: std::ops::RangeInclusive<usize> = 5..=32;
/// Most entries, and the default, of a page of list_id.
const PAGE: i64 = 10_000;
/// Before the number of the next entry in a cursor.
const CURSOR: &str = "entry-";

pub(super) fn find(path: &str) -> Option<Endpoint> {
    use Endpoint::{Directory, Gated};
    Some(match path {
        "user/get" => Directory(|corp, bearer, call| answer(get(corp, bearer, call))),
        "user/simplelist" => Directory(|corp, bearer, call| answer(simplelist(corp, bearer, call))),
        "user/list" => Directory(|corp, bearer, call| answer(list(corp, bearer, call))),
        "user/list_id" => Directory(|corp, bearer, call| answer(list_id(corp, bearer, call))),
        "user/getuserid" => Gated(|corp, app, call| answer(by_mobile(corp, app, call))),
        "user/get_userid_by_email" => Gated(|corp, app, call| answer(by_mail(corp, app, call))),
        "user/convert_to_openid" => Gated(|corp, app, call| answer(to_open_id(corp, app, call))),
        "user/convert_to_userid" => Gated(|corp, app, call| answer(to_user_id(corp, app, call))),
        _ => return None,
    })
}

pub(super) fn answer(verdict: Verdict<Fields>) -> Answer {
    verdict.map_or_else(Answer::from, Answer::ok)
}

fn one(name: &str, value: impl Into<Value>) -> Fields {
    Map::from_iter([(name.to_owned(), value.into())])
}

fn get(corp: &Corp, bearer: Bearer, call: &Call) -> Verdict<Fields> {
    let empty = || {
        Map::from_iter([
            ("department".into(), json!([])),
            ("order".into(), json!([])),
        ])
    };
    let refused = |refusal: Refusal| refusal.with(empty());
    let view = View::of_details(corp, bearer).map_err(refused)?;
    let user_id = call.query("userid");
    let user_id = user_id.ok_or_else(|| refused(Refusal::new(41009, "missing userid")))?;
    if !well_formed(user_id) {
        return Err(refused(Refusal::new(40003, "invalid userid")));
    }
    // Whether there is no such member, or none for this app, is not told.
    let seat = corp.roster.seat(user_id).filter(|&seat| view.sees(seat));
    let seat = seat.ok_or_else(|| refused(Refusal::new(60111, "userid not found")))?;
    Ok(full(&view, seat))
}

fn well_formed(user_id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-@.".contains(&byte);
    user_id.len() <= USER_ID
        && user_id.as_bytes()[0].is_ascii_alphanumeric()
        && user_id.bytes().all(allowed)
}

/// The fields of a brief list.
fn brief(view: &View<'_>, seat: Seat) -> Fields {
    let member = view.roster.member(seat);
    let departments = member.department_ids.iter();
    let seen: Vec<u32> = departments
        .filter(|&&id| view.sees_department(id))
        .copied()
        .collect();
    Map::from_iter([
        ("userid".into(), member.user_id.as_str().into()),
        ("name".into(), member.name.as_str().into()),
        ("department".into(), seen.into()),
    ])
}

/// All fields that the bearer may have.
fn full(view: &View<'_>, seat: Seat) -> Fields {
    let mut fields = brief(view, seat);
    let member = view.roster.member(seat);
    let profile = Profile::new(view.roster, seat);
    let seen = |id: &&u32| view.sees_department(**id);
    let departments: Vec<u32> = member.department_ids.iter().filter(seen).copied().collect();
    let orders: Vec<u32> = departments.iter().map(|_| profile.order()).collect();
    let leads = departments
        .iter()
        .map(|&id| u8::from(view.leader(id) == Some(seat)));
    let leads: Vec<u8> = leads.collect();
    let leader = departments.first().and_then(|&id| view.leader(id));
    let leader = leader.filter(|&leader| leader != seat && view.sees(leader));
    let leaders: Vec<&str> = leader
        .iter()
        .map(|&seat| &**view.roster.user_id(seat))
        .collect();
    let main = member.department_ids.first().filter(seen);
    fields.extend(main.map(|&id| ("main_department".to_owned(), id.into())));
    fields.extend([
        ("order".into(), orders.into()),
        ("is_leader_in_dept".into(), leads.into()),
        ("direct_leader".into(), leaders.into()),
        ("position".into(), profile.position().into()),
        ("telephone".into(), profile.telephone().into()),
        ("alias".into(), "".into()),
        ("status".into(), if member.activated { 1 } else { 4 }.into()),
        ("extattr".into(), json!({"attrs": attributes(&profile)})),
        ("external_position".into(), profile.position().into()),
        ("external_profile".into(), external(&profile)),
        ("gender".into(), "0".into()),
    ]);
    if view.private {
        fields.extend([
            ("gender".into(), profile.gender().into()),
            ("mobile".into(), profile.mobile().into()),
            ("email".into(), profile.mail(Mail::Own).into()),
            ("biz_mail".into(), profile.mail(Mail::Corp).into()),
            ("avatar".into(), profile.avatar(0).into()),
            ("thumb_avatar".into(), profile.avatar(100).into()),
            ("qr_code".into(), profile.qr_code().into()),
            ("address".into(), profile.address().into()),
        ]);
    }
    fields
}

fn attributes(profile: &Profile<'_>) -> Value {
    json!([
        {"type": 0, "name": "工位", "text": {"value": profile.desk()}},
        {"type": 1, "name": "主页", "web": {
            "url": "https://wiki.example.com/people", "title": "内部主页",
        }},
    ])
}

fn external(profile: &Profile<'_>) -> Value {
    json!({
        "external_corp_name": "沙盒",
        "wechat_channels": {"nickname": "沙盒日常", "status": 1},
        "external_attr": [
            {"type": 0, "name": "工位", "text": {"value": profile.desk()}},
            {"type": 2, "name": "名片", "miniprogram": {
                "appid": "wx5a9db0c5a9db0c5a", "pagepath": "pages/card", "title": "电子名片",
            }},
        ],
    })
}

fn simplelist(corp: &Corp, bearer: Bearer, call: &Call) -> Verdict<Fields> {
    let view = View::of_details(corp, bearer)?;
    let seats = seats(&view, call)?;
    let list = seats.into_iter().map(|seat| brief(&view, seat));
    Ok(one("userlist", list.collect::<Value>()))
}

fn list(corp: &Corp, bearer: Bearer, call: &Call) -> Verdict<Fields> {
    let view = View::of_details(corp, bearer)?;
    let seats = seats(&view, call)?;
    let list = seats.into_iter().map(|seat| {
        let mut fields = full(&view, seat);
        let english = view.roster.user_id(seat).to_uppercase();
        fields.insert("english_name".into(), english.into());
        fields
    });
    Ok(one("userlist", list.collect::<Value>()))
}

/// Those who sit in the department itself.
fn seats(view: &View<'_>, call: &Call) -> Verdict<Vec<Seat>> {
    let id = view.department(call.query("department_id"))?;
    let sitting = view.roster.sitting(id).iter().copied();
    Ok(sitting.filter(|&seat| view.sees(seat)).collect())
}

fn list_id(corp: &Corp, bearer: Bearer, call: &Call) -> Verdict<Fields> {
    if bearer != Bearer::Contacts {
        return Err(Refusal::new(48002, "api forbidden"));
    }
    let body = fields_of(call);
    let limit = match number(&body, "limit") {
        0 => PAGE,
        limit @ 1..=PAGE => limit,
        _ => return Err(Refusal::bad("limit out of range.")),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let start = match text(&body, "cursor") {
        "" => 0,
        cursor => cursor
            .strip_prefix(CURSOR)
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| Refusal::bad("invalid cursor."))?,
    };
    let members = corp.roster.directory.members.iter();
    let entries = members.flat_map(|member| {
        let departments = member.department_ids.iter();
        departments.map(|id| json!({"userid": member.user_id, "department": id}))
    });
    // One more than fits tells whether there is a next page.
    let mut page: Vec<Value> = entries.skip(start).take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = match more {
        true => format!("{CURSOR}{}", start + limit),
        false => String::new(),
    };
    Ok(Map::from_iter([
        ("next_cursor".into(), next.into()),
        ("dept_user".into(), page.into()),
    ]))
}

fn by_mobile(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Fields> {
    let body = fields_of(call);
    let mobile = text(&body, "mobile");
    if !MOBILE.contains(&mobile.len()) {
        return Err(Refusal::bad("invalid mobile."));
    }
    let seat = profile::by_mobile(&corp.roster, mobile);
    found(corp, app, seat)
}

fn by_mail(corp: &mut Corp, app: usize, call: &Call) -> Verdict<Fields> {
    let body = fields_of(call);
    let address = text(&body, "email");
    if address.is_empty() {
        return Err(Refusal::bad("missing email."));
    }
    let mail = match number(&body, "email_type") {
        0 | 1 => Mail::Corp,
        2 => Mail::Own,
        _ => return Err(Refusal::bad("invalid email_type.")),
    };
    let seat = profile::by_mail(&corp.roster, address, mail);
    found(corp, app, seat)
}

/// The userid of the one that was looked for; counts a miss, of which the corp has not
/// many.
fn found(corp: &mut Corp, app: usize, seat: Option<Seat>) -> Verdict<Fields> {
    let (day, limit) = (corp.clock.day(), corp.modes.resolve_misses);
    if limit > 0 && corp.pace.misses(day) >= limit {
        return Err(Refusal::new(45009, "api freq out of limit"));
    }
    match seat.filter(|&seat| corp.scopes[app].sees(seat)) {
        Some(seat) => Ok(one("userid", &**corp.roster.user_id(seat))),
        None => {
            corp.pace.miss(day);
            Err(Refusal::new(46004, "user not exist"))
        }
    }
}

fn to_open_id(corp: &Corp, app: usize, call: &Call) -> Verdict<Fields> {
    let body = fields_of(call);
    let user_id = text(&body, "userid");
    if user_id.is_empty() {
        return Err(Refusal::new(41009, "missing userid"));
    }
    let seat = corp.roster.seat(user_id);
    let seat = seat.ok_or_else(|| Refusal::new(60111, "userid not found"))?;
    if !corp.scopes[app].sees(seat) {
        return Err(out_of_range());
    }
    if !corp.roster.member(seat).wechat {
        return Err(Refusal::new(43004, "require subscribe"));
    }
    let open_id = Profile::new(&corp.roster, seat).open_id();
    Ok(one("openid", open_id))
}

fn to_user_id(corp: &Corp, app: usize, call: &Call) -> Verdict<Fields> {
    let body = fields_of(call);
    let seat = profile::by_open_id(&corp.roster, text(&body, "openid"));
    let seat = seat.ok_or_else(|| Refusal::new(40073, "invalid openid"))?;
    if !corp.scopes[app].sees(seat) {
        return Err(out_of_range());
    }
    Ok(one("userid", &**corp.roster.user_id(seat)))
}

/// Broken JSON is JSON without fields, and each call misses its own.
fn fields_of(call: &Call) -> Fields {
    serde_json::from_slice(&call.body).unwrap_or_default()
}
