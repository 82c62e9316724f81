//! Logins: requests to calls of WeCom and to sessions, and what came of them back.

use super::content::known;
use crate::grpc::pb;
use crate::session::{Begun, Issued, Person, SESSION_TOKEN_MAX_BYTES, Session};
use crate::wecom::auth::{
    GetUserDetail, GetUserInfo, Language, LoginPage, PageKind, Scope, SignPage, Signature,
    TicketKind,
};
use crate::wecom::check::{Checker, Path};
use crate::wecom::{AccessToken, Client, Violation, id};
use secrecy::{ExposeSecret, SecretString};

/// Longest access token in bytes
/// (<https://developer.work.weixin.qq.com/document/path/91039>, `access_token`).
const ACCESS_TOKEN_MAX_BYTES: usize = 512;

/// What a request becomes, or every rule that it breaks.
type Converted<T> = Result<T, Vec<Violation>>;

/// The login page that is asked for. `may_return_to` knows the redirect addresses; a
/// state may be missing.
pub(in crate::grpc) fn login_page(
    request: pb::BuildLoginUrlRequest,
    may_return_to: impl FnOnce(&str) -> bool,
) -> Converted<LoginPage> {
    let mut found = Checker::default();
    let kind = page_kind(&request, &mut found);
    let page = LoginPage {
        kind: kind.unwrap_or(PageKind::InApp(Scope::Base)),
        redirect_uri: request.redirect_uri,
        state: request.state,
    };
    page.check(&mut found);
    let mut violations = found.into_violations();
    let redirect_is_fine = !violations.iter().any(|found| found.field == REDIRECT_URI);
    if redirect_is_fine && !may_return_to(&page.redirect_uri) {
        violations.push(Violation::new(
            REDIRECT_URI,
            "is not one of the gateway's `[login] redirect_uris`, which are compared byte by byte",
        ));
    }
    none(violations).map(|()| page)
}

const REDIRECT_URI: &str = "redirect_uri";

fn page_kind(request: &pb::BuildLoginUrlRequest, found: &mut Checker) -> Option<PageKind> {
    use pb::{LoginLanguage, LoginPage, LoginScope};
    let page = known(&Path::ROOT.field("page"), request.page, found);
    let scope_path = Path::ROOT.field("scope");
    let scope = known(&scope_path, request.scope, found).map(|scope| match scope {
        LoginScope::Unspecified | LoginScope::Base => Scope::Base,
        LoginScope::PrivateInfo => Scope::PrivateInfo,
    });
    let language_path = Path::ROOT.field("language");
    let language = known(&language_path, request.language, found).map(|language| match language {
        LoginLanguage::Unspecified => None,
        LoginLanguage::Chinese => Some(Language::Chinese),
        LoginLanguage::English => Some(Language::English),
    });
    match page? {
        LoginPage::Unspecified | LoginPage::InApp => {
            if language?.is_some() {
                found.add(
                    &language_path,
                    format_args!("is for LOGIN_PAGE_QR_CODE only"),
                );
            }
            scope.map(PageKind::InApp)
        }
        LoginPage::QrCode => {
            if scope? == Scope::PrivateInfo {
                found.add(
                    &scope_path,
                    format_args!("LOGIN_SCOPE_PRIVATE_INFO is for LOGIN_PAGE_IN_APP only"),
                );
            }
            language.map(PageKind::QrCode)
        }
    }
}

/// The address of a login page.
pub(in crate::grpc) fn login_url(url: String, begun: Begun) -> pb::BuildLoginUrlResponse {
    let Begun { state, expires_at } = begun;
    pb::BuildLoginUrlResponse {
        url,
        state,
        expires_at: Some(expires_at.into()),
    }
}

/// The state that waits for somebody else.
pub(in crate::grpc) fn state_is_taken() -> Violation {
    Violation::new(
        "state",
        "is in use by another app or caller; choose another",
    )
}

/// The code of a login. `state_is_required` makes a bad state a matter of its own, which
/// the session's room tells.
pub(in crate::grpc) fn get_user_info(
    request: &pb::LoginRequest,
    state_is_required: bool,
) -> Converted<GetUserInfo> {
    let mut found = Checker::default();
    let get = GetUserInfo {
        code: request.code.clone(),
    };
    get.check(&mut found);
    if !state_is_required {
        let bytes = 0..=id::LOGIN_STATE_MAX_BYTES;
        found.opaque(&Path::ROOT.field("state"), &request.state, bytes);
    }
    none(found.into_violations()).map(|()| get)
}

/// The person of a login, for the session.
pub(in crate::grpc) fn person(client: &Client, user: &pb::User) -> Person {
    let departments = user.departments.iter();
    Person {
        app: client.name().to_owned(),
        corp_id: client.corp_id().to_owned(),
        user_id: user.user_id.clone(),
        name: user.name.clone(),
        department_ids: departments.map(|place| place.department_id).collect(),
    }
}

/// The answer to a login.
pub(in crate::grpc) fn logged_in(
    issued: Issued,
    user: pb::User,
    user_ticket: String,
) -> pb::LoginResponse {
    let Issued { token, session } = issued;
    pb::LoginResponse {
        session_token: token.expose_secret().to_owned(),
        expires_at: Some(session.expires_at.into()),
        user: Some(user),
        user_ticket,
    }
}

/// A session token that is worth reading.
pub(in crate::grpc) fn session_token(token: String) -> Converted<String> {
    let mut found = Checker::default();
    let path = Path::ROOT.field("session_token");
    found.text(&path, &token, 1..=SESSION_TOKEN_MAX_BYTES);
    none(found.into_violations()).map(|()| token)
}

/// What a session says.
pub(in crate::grpc) fn session(session: Session) -> pb::VerifySessionResponse {
    let Session {
        id: _,
        person,
        expires_at,
    } = session;
    let departments = person.department_ids.into_iter();
    let departments = departments.map(|department_id| pb::UserDepartment {
        department_id,
        ..pb::UserDepartment::default()
    });
    pb::VerifySessionResponse {
        user: Some(pb::User {
            user_id: person.user_id,
            name: person.name,
            departments: departments.collect(),
            ..pb::User::default()
        }),
        expires_at: Some(expires_at.into()),
        app: person.app,
    }
}

/// The ticket whose fields are asked for.
pub(in crate::grpc) fn get_user_detail(
    request: pb::GetUserDetailRequest,
) -> Converted<GetUserDetail> {
    let get = GetUserDetail {
        user_ticket: SecretString::from(request.user_ticket),
    };
    none(get.check()).map(|()| get)
}

/// The page that is to be signed.
pub(in crate::grpc) fn sign_page(request: pb::SignJsSdkRequest) -> Converted<SignPage> {
    use pb::JsSdkKind;
    let mut found = Checker::default();
    let path = Path::ROOT.field("kind");
    let kind = match known(&path, request.kind, &mut found) {
        Some(JsSdkKind::Unspecified) => {
            found.add(&path, format_args!("required"));
            TicketKind::Config
        }
        Some(JsSdkKind::AgentConfig) => TicketKind::AgentConfig,
        Some(JsSdkKind::Config) | None => TicketKind::Config,
    };
    let page = SignPage {
        kind,
        url: request.url,
    };
    let mut violations = found.into_violations();
    violations.extend(page.check());
    none(violations).map(|()| page)
}

/// A signature.
pub(in crate::grpc) fn signature(client: &Client, signature: Signature) -> pb::SignJsSdkResponse {
    let Signature {
        signature,
        nonce,
        unix_seconds,
    } = signature;
    pb::SignJsSdkResponse {
        signature,
        nonce,
        timestamp: Some(prost_types::Timestamp {
            seconds: i64::try_from(unix_seconds).unwrap_or(i64::MAX),
            nanos: 0,
        }),
        corp_id: client.corp_id().to_owned(),
        agent_id: client.agent_id(),
    }
}

/// The access token that a caller says was refused, if any.
pub(in crate::grpc) fn rejected_access_token(token: String) -> Converted<Option<SecretString>> {
    let mut found = Checker::default();
    let path = Path::ROOT.field("rejected_access_token");
    found.opaque(&path, &token, 0..=ACCESS_TOKEN_MAX_BYTES);
    none(found.into_violations())?;
    Ok(Some(token)
        .filter(|token| !token.is_empty())
        .map(Into::into))
}

/// An access token.
pub(in crate::grpc) fn access_token(token: AccessToken) -> pb::GetAccessTokenResponse {
    let AccessToken { secret, expires_at } = token;
    pb::GetAccessTokenResponse {
        access_token: secret.expose_secret().to_owned(),
        expires_at: Some(expires_at.into()),
    }
}

fn none(violations: Vec<Violation>) -> Converted<()> {
    match violations.is_empty() {
        true => Ok(()),
        false => Err(violations),
    }
}
