//! The directory: requests to calls of WeCom, members, departments and tags back.

use super::content::known;
use crate::grpc::pb;
use crate::wecom::Violation;
use crate::wecom::check::{Checker, Path};
use crate::wecom::user::{
    Attribute, AttributeValue, ByEmail, ByMobile, Department, DepartmentList, DepartmentListBrief,
    Detail, EmailKind, ExternalProfile, Gender, Get, GetDepartment, GetTag, IdEntry, IdPage,
    IdPages, Link, List, Member, MiniProgram, Place, Status, Tag, TagHolders, TagUser, ToOpenId,
    ToUserId, WechatChannels,
};

/// What a request becomes, or every rule that it breaks.
type Converted<T> = Result<T, Vec<Violation>>;

fn checked<T>(value: T, check: impl FnOnce(&T, &mut Checker)) -> Converted<T> {
    let mut found = Checker::default();
    check(&value, &mut found);
    unless_found(found).map(|()| value)
}

fn unless_found(found: Checker) -> Converted<()> {
    let violations = found.into_violations();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations)
    }
}

/// The member that is asked for.
pub(in crate::grpc) fn get(request: pb::GetUserRequest) -> Converted<Get> {
    let user_id = request.user_id;
    checked(Get { user_id }, Get::check)
}

/// By what a member is looked for.
pub(in crate::grpc) enum Key {
    /// A mobile number.
    Mobile(ByMobile),
    /// An e-mail address.
    Email(ByEmail),
}

/// The look-up that is asked for.
pub(in crate::grpc) fn resolve(request: pb::ResolveUserIdRequest) -> Converted<Key> {
    use pb::resolve_user_id_request::Key as PbKey;
    let mut found = Checker::default();
    let kind_path = Path::ROOT.field("email_kind");
    let kind = email_kind(&kind_path, request.email_kind, &mut found);
    let key = match request.key {
        None => {
            found.add(
                &Path::ROOT.field("key"),
                format_args!("required: mobile or email"),
            );
            None
        }
        Some(PbKey::Mobile(mobile)) => {
            let by = ByMobile { mobile };
            by.check(&mut found);
            if kind.is_some() {
                found.add(&kind_path, format_args!("goes with email only"));
            }
            Some(Key::Mobile(by))
        }
        Some(PbKey::Email(email)) => {
            let by = ByEmail { email, kind };
            by.check(&mut found);
            Some(Key::Email(by))
        }
    };
    let violations = found.into_violations();
    match key {
        Some(key) if violations.is_empty() => Ok(key),
        _ => Err(violations),
    }
}

fn email_kind(path: &Path<'_>, number: i32, found: &mut Checker) -> Option<EmailKind> {
    match known(path, number, found)? {
        pb::EmailKind::Unspecified => None,
        pb::EmailKind::Corp => Some(EmailKind::Corp),
        pb::EmailKind::Personal => Some(EmailKind::Personal),
    }
}

/// The conversion of a user id.
pub(in crate::grpc) fn to_open_id(request: pb::ConvertToOpenIdRequest) -> Converted<ToOpenId> {
    let user_id = request.user_id;
    checked(ToOpenId { user_id }, ToOpenId::check)
}

/// The conversion of an openid.
pub(in crate::grpc) fn to_user_id(request: pb::ConvertToUserIdRequest) -> Converted<ToUserId> {
    let open_id = request.open_id;
    checked(ToUserId { open_id }, ToUserId::check)
}

/// The members that are asked for.
pub(in crate::grpc) fn list(request: &pb::ListUsersRequest) -> Converted<List> {
    let mut found = Checker::default();
    let list = List {
        department_id: request.department_id,
        detail: detail(request.detail, Detail::Brief, &mut found),
        recursive: request.recursive,
    };
    list.check(&mut found);
    unless_found(found).map(|()| list)
}

/// Where the ids that are asked for begin.
pub(in crate::grpc) fn cursor(request: pb::ListUserIdsRequest) -> Converted<String> {
    checked(request.resume_token, |cursor, found| {
        IdPages::check(cursor, found);
    })
}

/// A list of departments, in one of the two depths that WeCom has.
pub(in crate::grpc) enum ListDepartments {
    /// Everything.
    Full(DepartmentList),
    /// Ids only.
    Brief(DepartmentListBrief),
}

/// The departments that are asked for.
pub(in crate::grpc) fn list_departments(
    request: &pb::ListDepartmentsRequest,
) -> Converted<ListDepartments> {
    let mut found = Checker::default();
    let department_id = Some(request.department_id).filter(|id| *id != 0);
    let list = match detail(request.detail, Detail::Full, &mut found) {
        Detail::Full => ListDepartments::Full(DepartmentList { department_id }),
        Detail::Brief => ListDepartments::Brief(DepartmentListBrief { department_id }),
    };
    unless_found(found).map(|()| list)
}

fn detail(number: i32, unspecified: Detail, found: &mut Checker) -> Detail {
    match known(&Path::ROOT.field("detail"), number, found) {
        Some(pb::ListDetail::Brief) => Detail::Brief,
        Some(pb::ListDetail::Full) => Detail::Full,
        Some(pb::ListDetail::Unspecified) | None => unspecified,
    }
}

/// The department that is asked for.
pub(in crate::grpc) fn get_department(
    request: &pb::GetDepartmentRequest,
) -> Converted<GetDepartment> {
    let department_id = request.department_id;
    checked(GetDepartment { department_id }, GetDepartment::check)
}

/// The tag that is asked for.
pub(in crate::grpc) fn get_tag(request: &pb::GetTagRequest) -> Converted<GetTag> {
    let tag_id = request.tag_id;
    checked(GetTag { tag_id }, GetTag::check)
}

/// A part of a list of members.
pub(in crate::grpc) fn users(members: Vec<Member>) -> pb::ListUsersResponse {
    pb::ListUsersResponse {
        users: members.into_iter().map(user).collect(),
    }
}

/// A member. What WeCom withholds stays absent.
pub(in crate::grpc) fn user(mut member: Member) -> pb::User {
    let departments = member.places().map(place).collect();
    let attributes = member.take_attributes();
    pb::User {
        user_id: member.user_id,
        name: member.name,
        departments,
        main_department_id: member.main_department_id,
        position: member.position,
        leader_user_ids: member.leader_user_ids,
        alias: member.alias,
        english_name: member.english_name,
        telephone: member.telephone,
        status: status(member.status).into(),
        gender: gender(member.gender).into(),
        mobile: member.mobile,
        email: member.email,
        corp_email: member.corp_email,
        avatar_url: member.avatar_url,
        thumbnail_avatar_url: member.thumbnail_avatar_url,
        qr_code_url: member.qr_code_url,
        address: member.address,
        attributes: attributes.into_iter().map(attribute).collect(),
        external_position: member.external_position,
        external_profile: member.external_profile.map(external_profile),
        open_user_id: member.open_user_id,
    }
}

fn place(place: Place) -> pb::UserDepartment {
    let Place {
        department_id,
        order,
        leader,
    } = place;
    pb::UserDepartment {
        department_id,
        order,
        leader,
    }
}

fn status(status: Status) -> pb::UserStatus {
    match status {
        Status::Unknown => pb::UserStatus::Unspecified,
        Status::Active => pb::UserStatus::Active,
        Status::Disabled => pb::UserStatus::Disabled,
        Status::NotActivated => pb::UserStatus::NotActivated,
        Status::Left => pb::UserStatus::Left,
    }
}

fn gender(gender: Gender) -> pb::UserGender {
    match gender {
        Gender::Unknown => pb::UserGender::Unspecified,
        Gender::Male => pb::UserGender::Male,
        Gender::Female => pb::UserGender::Female,
    }
}

fn attribute(attribute: Attribute) -> pb::UserAttribute {
    use pb::user_attribute::Value;
    let Attribute { name, value } = attribute;
    let value = value.map(|value| match value {
        AttributeValue::Text(text) => Value::Text(text),
        AttributeValue::Link(Link { url, title }) => {
            Value::Link(pb::UserAttributeLink { url, title })
        }
        AttributeValue::MiniProgram(MiniProgram {
            app_id,
            page_path,
            title,
        }) => Value::MiniProgram(pb::UserAttributeMiniProgram {
            app_id,
            page_path,
            title,
        }),
    });
    pb::UserAttribute { name, value }
}

fn external_profile(profile: ExternalProfile) -> pb::UserExternalProfile {
    let ExternalProfile {
        corp_name,
        wechat_channels,
        attributes,
    } = profile;
    pb::UserExternalProfile {
        corp_name,
        wechat_channels: wechat_channels
            .map(|WechatChannels { nickname, status }| pb::UserWechatChannels { nickname, status }),
        attributes: attributes.into_iter().map(attribute).collect(),
    }
}

/// A page of ids; WeCom's cursor is the resume token.
pub(in crate::grpc) fn id_page(page: IdPage) -> pb::ListUserIdsResponse {
    let IdPage {
        entries,
        next_cursor,
    } = page;
    let entries = entries.into_iter().map(|entry| {
        let IdEntry {
            user_id,
            department_id,
        } = entry;
        pb::UserIdEntry {
            user_id,
            department_id,
        }
    });
    pb::ListUserIdsResponse {
        entries: entries.collect(),
        resume_token: next_cursor,
    }
}

/// A department.
pub(in crate::grpc) fn department(department: Department) -> pb::Department {
    let Department {
        id,
        name,
        english_name,
        leader_user_ids,
        parent_id,
        order,
    } = department;
    pb::Department {
        department_id: id,
        name,
        english_name,
        parent_department_id: parent_id,
        order,
        leader_user_ids,
    }
}

/// A tag.
pub(in crate::grpc) fn tag(tag: Tag) -> pb::Tag {
    let Tag { id, name } = tag;
    pb::Tag { tag_id: id, name }
}

/// What the tag `tag_id` holds.
pub(in crate::grpc) fn tag_holders(tag_id: u32, holders: TagHolders) -> pb::GetTagResponse {
    let TagHolders {
        name,
        users,
        department_ids,
    } = holders;
    let users = users
        .into_iter()
        .map(|TagUser { user_id, name }| pb::TagUser { user_id, name });
    pb::GetTagResponse {
        tag: Some(pb::Tag { tag_id, name }),
        users: users.collect(),
        department_ids,
    }
}

#[cfg(test)]
mod tests;
