//! Particulars of members, made up from the seat when they are asked for: a corp of a
//! million costs nothing. Numbers and domains are ones that nobody can have.

use super::directory::{Roster, Seat};

/// Mobile numbers begin like this; no operator gives such numbers to people.
const MOBILE: &str = "100";
/// Domains of the corp's mail and of the members' own (RFC 2606).
const CORP_MAIL: &str = "@sandbox.example.com";
const OWN_MAIL: &str = "@mail.example.net";

const POSITIONS: [&str; 5] = ["工程师", "测试员", "设计师", "招聘专员", ""];
const GENDERS: [&str; 3] = ["0", "1", "2"];

/// Which mail is meant, by `email_type`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mail {
    /// 1: the corp gave it.
    Corp,
    /// 2: the member entered it.
    Own,
}

/// The particulars of one member.
pub(super) struct Profile<'a> {
    user_id: &'a str,
    seat: Seat,
}

impl<'a> Profile<'a> {
    pub(super) fn new(roster: &'a Roster, seat: Seat) -> Self {
        Self {
            user_id: roster.user_id(seat),
            seat,
        }
    }

    pub(super) fn mobile(&self) -> String {
        format!("{MOBILE}{:08}", self.seat + 1)
    }

    /// Empty when the member has none: every fifth entered none, and a userid with an
    /// `@` makes no address.
    pub(super) fn mail(&self, mail: Mail) -> String {
        let none = self.user_id.contains('@') || (mail == Mail::Own && self.seat % 5 == 4);
        let domain = match mail {
            _ if none => return String::new(),
            Mail::Corp => CORP_MAIL,
            Mail::Own => OWN_MAIL,
        };
        format!("{}{domain}", self.user_id.to_lowercase())
    }

    pub(super) fn position(&self) -> &'static str {
        POSITIONS[self.seat % POSITIONS.len()]
    }

    pub(super) fn gender(&self) -> &'static str {
        GENDERS[self.seat % GENDERS.len()]
    }

    pub(super) fn telephone(&self) -> String {
        format!("000-{:04}", self.seat + 1)
    }

    pub(super) fn address(&self) -> String {
        format!("沙盒市纸船路{}号", self.seat + 1)
    }

    pub(super) fn avatar(&self, pixels: u32) -> String {
        format!("https://avatar.example.com/{}/{pixels}", self.seat + 1)
    }

    pub(super) fn qr_code(&self) -> String {
        format!("https://card.example.com/qr?member={}", self.seat + 1)
    }

    pub(super) fn desk(&self) -> String {
        format!("{}层{:03}号", self.seat % 9 + 1, self.seat + 1)
    }

    /// 28 characters, as the openids seen.
    pub(super) fn open_id(&self) -> String {
        format!("oSandbox{:020}", self.seat + 1)
    }

    /// Rank in a department.
    pub(super) fn order(&self) -> u32 {
        u32::try_from(self.seat % 100).map_or(0, |rank| 100 - rank)
    }
}

/// Who has this mobile number.
pub(super) fn by_mobile(roster: &Roster, mobile: &str) -> Option<Seat> {
    let number = mobile.strip_prefix(MOBILE)?.parse().ok()?;
    seated(roster, number).filter(|seat| Profile::new(roster, *seat).mobile() == mobile)
}

/// Who has this e-mail address.
pub(super) fn by_mail(roster: &Roster, address: &str, mail: Mail) -> Option<Seat> {
    let (name, _) = address.split_once('@')?;
    let seat = roster.seat(name)?;
    let own = Profile::new(roster, seat).mail(mail);
    own.eq_ignore_ascii_case(address).then_some(seat)
}

/// Who has this openid.
pub(super) fn by_open_id(roster: &Roster, open_id: &str) -> Option<Seat> {
    let number = open_id.strip_prefix("oSandbox")?.parse().ok()?;
    seated(roster, number).filter(|seat| {
        roster.member(*seat).wechat && Profile::new(roster, *seat).open_id() == open_id
    })
}

/// The seat of the member with this number, counted from 1.
fn seated(roster: &Roster, number: usize) -> Option<Seat> {
    let seat = number.checked_sub(1)?;
    (seat < roster.directory.members.len()).then_some(seat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::demo;

    #[test]
    fn every_particular_leads_back_to_its_member() {
        let roster = Roster::new(demo::directory());
        for seat in 0..roster.directory.members.len() {
            let profile = Profile::new(&roster, seat);
            assert_eq!(by_mobile(&roster, &profile.mobile()), Some(seat));
            let corp_mail = profile.mail(Mail::Corp).to_uppercase();
            assert_eq!(by_mail(&roster, &corp_mail, Mail::Corp), Some(seat));
            assert_eq!(by_mail(&roster, &corp_mail, Mail::Own), None);
            let linked = roster.member(seat).wechat.then_some(seat);
            assert_eq!(by_open_id(&roster, &profile.open_id()), linked);
            assert_eq!(profile.open_id().len(), 28);
        }
        for nobody in ["", "100", "10000000000", "10000000031", "1001"] {
            assert_eq!(by_mobile(&roster, nobody), None, "{nobody}");
        }
        assert_eq!(by_mail(&roster, "@sandbox.example.com", Mail::Corp), None);
    }
}
