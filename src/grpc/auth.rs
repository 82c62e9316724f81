//! AuthService: logs people in, and gives what their browsers need.

use secrecy::ExposeSecret;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::caller::{Admitted, Callers};
use super::code_exchange::CodeExchange;
use super::{convert, pb, status};
use crate::session::{self, Logins, Session, Sessions};

/// The adapter of AuthService.
pub struct AuthService {
    callers: Callers,
    logins: Logins,
    sessions: Sessions,
    code_exchange: CodeExchange,
}

impl AuthService {
    /// For these callers; logins run in `tasks`, so that they end well when the caller
    /// leaves or the gateway shuts down.
    pub fn new(callers: Callers, logins: Logins, sessions: Sessions, tasks: TaskTracker) -> Self {
        Self {
            callers,
            code_exchange: CodeExchange::new(logins.clone(), sessions.clone(), tasks),
            logins,
            sessions,
        }
    }

    /// The session of a token, if it is of an app of the caller's.
    fn session(&self, caller: &Admitted, token: String) -> Result<Session, Status> {
        let token = convert::auth::session_token(token).map_err(status::invalid)?;
        let read = self.sessions.read(&token);
        let session = read.map_err(|error| status::session(&error))?;
        if caller.apps().any(|app| app.name() == session.person.app) {
            Ok(session)
        } else {
            // Not told apart from nonsense: whose it is, is none of the caller's business.
            Err(status::session(&session::Error::Invalid))
        }
    }
}

#[tonic::async_trait]
impl pb::auth_service_server::AuthService for AuthService {
    async fn build_login_url(
        &self,
        request: Request<pb::BuildLoginUrlRequest>,
    ) -> Result<Response<pb::BuildLoginUrlResponse>, Status> {
        let caller = self.callers.admit(&request, "AuthService/BuildLoginUrl")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let may_return_to = |uri: &str| self.logins.may_return_to(uri);
        let mut page =
            convert::auth::login_page(request, may_return_to).map_err(status::invalid)?;
        let state = std::mem::take(&mut page.state);
        let begun = self.logins.begin(state, client.name(), caller.name()).await;
        let begun = begun.map_err(|error| status::store(&error))?;
        let begun = begun.ok_or_else(|| status::invalid(vec![convert::auth::state_is_taken()]))?;
        page.state.clone_from(&begun.state);
        let url = client.login_url(&page);
        Ok(Response::new(convert::auth::login_url(url, begun)))
    }

    async fn login(
        &self,
        request: Request<pb::LoginRequest>,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let caller = self.callers.admit(&request, "AuthService/Login")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let state_is_required = self.logins.state_is_required();
        let get =
            convert::auth::get_user_info(&request, state_is_required).map_err(status::invalid)?;
        self.code_exchange
            .run(caller.name(), client, get, request.state, caller.deadline)
            .await
            .map(Response::new)
    }

    async fn verify_session(
        &self,
        request: Request<pb::VerifySessionRequest>,
    ) -> Result<Response<pb::VerifySessionResponse>, Status> {
        let caller = self.callers.admit(&request, "AuthService/VerifySession")?;
        let session = self.session(&caller, request.into_inner().session_token)?;
        let check = self.sessions.check(&session).await;
        check.map_err(|error| status::session(&error))?;
        Ok(Response::new(convert::auth::session(session)))
    }

    async fn logout(
        &self,
        request: Request<pb::LogoutRequest>,
    ) -> Result<Response<pb::LogoutResponse>, Status> {
        let caller = self.callers.admit(&request, "AuthService/Logout")?;
        let session = self.session(&caller, request.into_inner().session_token)?;
        let end = self.sessions.end(&session).await;
        end.map_err(|error| status::store(&error))?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn get_user_detail(
        &self,
        request: Request<pb::GetUserDetailRequest>,
    ) -> Result<Response<pb::GetUserDetailResponse>, Status> {
        let caller = self.callers.admit(&request, "AuthService/GetUserDetail")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let get = convert::auth::get_user_detail(request).map_err(status::invalid)?;
        let member = client
            .call(&get, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(pb::GetUserDetailResponse {
            user: Some(convert::user::user(member)),
        }))
    }

    async fn sign_js_sdk(
        &self,
        request: Request<pb::SignJsSdkRequest>,
    ) -> Result<Response<pb::SignJsSdkResponse>, Status> {
        let caller = self.callers.admit(&request, "AuthService/SignJsSdk")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let page = convert::auth::sign_page(request).map_err(status::invalid)?;
        let signature = client
            .sign_js_sdk(&page, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(convert::auth::signature(&client, signature)))
    }

    async fn get_access_token(
        &self,
        request: Request<pb::GetAccessTokenRequest>,
    ) -> Result<Response<pb::GetAccessTokenResponse>, Status> {
        let caller = self.callers.admit(&request, "AuthService/GetAccessToken")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let refused = convert::auth::rejected_access_token(request.rejected_access_token)
            .map_err(status::invalid)?;
        let refused = refused.as_ref().map(ExposeSecret::expose_secret);
        let token = client
            .access_token(refused, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(convert::auth::access_token(token)))
    }
}
