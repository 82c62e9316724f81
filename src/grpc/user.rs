//! UserService: reads the corp's directory.

use futures_util::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::caller::Callers;
use super::convert::user::{Key, ListDepartments};
use super::{convert, pb, status};
use crate::wecom;
use crate::wecom::user::{IdPages, ListTags, Walk};

/// The adapter of UserService.
pub struct UserService {
    callers: Callers,
    closing: CancellationToken,
}

impl UserService {
    /// For these callers; streams end at `closing`.
    pub fn new(callers: Callers, closing: CancellationToken) -> Self {
        Self { callers, closing }
    }
}

#[tonic::async_trait]
impl pb::user_service_server::UserService for UserService {
    type ListUsersStream = Parts<pb::ListUsersResponse>;
    type ListUserIdsStream = Parts<pb::ListUserIdsResponse>;

    async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<pb::GetUserResponse>, Status> {
        let caller = self.callers.admit(&request, "UserService/GetUser")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let get = convert::user::get(request).map_err(status::invalid)?;
        let member = client
            .call(&get, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(pb::GetUserResponse {
            user: Some(convert::user::user(member)),
        }))
    }

    async fn resolve_user_id(
        &self,
        request: Request<pb::ResolveUserIdRequest>,
    ) -> Result<Response<pb::ResolveUserIdResponse>, Status> {
        let caller = self.callers.admit(&request, "UserService/ResolveUserId")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let found = match convert::user::resolve(request).map_err(status::invalid)? {
            Key::Mobile(by) => client.call(&by, caller.deadline).await,
            Key::Email(by) => client.call(&by, caller.deadline).await,
        };
        let user_id = found.map_err(|error| status::wecom(&error))?.user_id;
        Ok(Response::new(pb::ResolveUserIdResponse { user_id }))
    }

    async fn convert_to_open_id(
        &self,
        request: Request<pb::ConvertToOpenIdRequest>,
    ) -> Result<Response<pb::ConvertToOpenIdResponse>, Status> {
        let caller = self
            .callers
            .admit(&request, "UserService/ConvertToOpenId")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let convert = convert::user::to_open_id(request).map_err(status::invalid)?;
        let found = client
            .call(&convert, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        let open_id = found.open_id;
        Ok(Response::new(pb::ConvertToOpenIdResponse { open_id }))
    }

    async fn convert_to_user_id(
        &self,
        request: Request<pb::ConvertToUserIdRequest>,
    ) -> Result<Response<pb::ConvertToUserIdResponse>, Status> {
        let caller = self
            .callers
            .admit(&request, "UserService/ConvertToUserId")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let convert = convert::user::to_user_id(request).map_err(status::invalid)?;
        let found = client
            .call(&convert, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        let user_id = found.user_id;
        Ok(Response::new(pb::ConvertToUserIdResponse { user_id }))
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<Self::ListUsersStream>, Status> {
        let caller = self
            .callers
            .admit_stream(&request, "UserService/ListUsers")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let list = convert::user::list(&request).map_err(status::invalid)?;
        let (deadline, closing) = (caller.deadline, self.closing.clone());
        let begin = (Walk::new(client, list), closing);
        let parts = stream::try_unfold(begin, move |(mut walk, closing)| async move {
            let part = unless_closing(&closing, walk.next(deadline)).await?;
            Ok(part.map(|part| (convert::user::users(part), (walk, closing))))
        });
        Ok(Response::new(Box::pin(parts)))
    }

    async fn list_user_ids(
        &self,
        request: Request<pb::ListUserIdsRequest>,
    ) -> Result<Response<Self::ListUserIdsStream>, Status> {
        let caller = self
            .callers
            .admit_stream(&request, "UserService/ListUserIds")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let cursor = convert::user::cursor(request).map_err(status::invalid)?;
        let (deadline, closing) = (caller.deadline, self.closing.clone());
        let begin = (IdPages::new(client, cursor), closing);
        let parts = stream::try_unfold(begin, move |(mut pages, closing)| async move {
            let page = unless_closing(&closing, pages.next(deadline)).await?;
            Ok(page.map(|page| (convert::user::id_page(page), (pages, closing))))
        });
        Ok(Response::new(Box::pin(parts)))
    }

    async fn list_departments(
        &self,
        request: Request<pb::ListDepartmentsRequest>,
    ) -> Result<Response<pb::ListDepartmentsResponse>, Status> {
        let caller = self
            .callers
            .admit(&request, "UserService/ListDepartments")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let departments =
            match convert::user::list_departments(&request).map_err(status::invalid)? {
                ListDepartments::Full(list) => {
                    let reply = client.call(&list, caller.deadline).await;
                    reply.map(|reply| reply.departments)
                }
                ListDepartments::Brief(list) => {
                    let reply = client.call(&list, caller.deadline).await;
                    reply.map(|reply| reply.departments)
                }
            };
        let departments = departments.map_err(|error| status::wecom(&error))?;
        let departments = departments.into_iter().map(convert::user::department);
        Ok(Response::new(pb::ListDepartmentsResponse {
            departments: departments.collect(),
        }))
    }

    async fn get_department(
        &self,
        request: Request<pb::GetDepartmentRequest>,
    ) -> Result<Response<pb::GetDepartmentResponse>, Status> {
        let caller = self.callers.admit(&request, "UserService/GetDepartment")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let get = convert::user::get_department(&request).map_err(status::invalid)?;
        let found = client
            .call(&get, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(pb::GetDepartmentResponse {
            department: Some(convert::user::department(found.department)),
        }))
    }

    async fn list_tags(
        &self,
        request: Request<pb::ListTagsRequest>,
    ) -> Result<Response<pb::ListTagsResponse>, Status> {
        let caller = self.callers.admit(&request, "UserService/ListTags")?;
        let client = caller.app(&request.get_ref().app)?;
        let found = client
            .call(&ListTags, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        let tags = found.tags.into_iter().map(convert::user::tag).collect();
        Ok(Response::new(pb::ListTagsResponse { tags }))
    }

    async fn get_tag(
        &self,
        request: Request<pb::GetTagRequest>,
    ) -> Result<Response<pb::GetTagResponse>, Status> {
        let caller = self.callers.admit(&request, "UserService/GetTag")?;
        let request = request.into_inner();
        let client = caller.app(&request.app)?;
        let get = convert::user::get_tag(&request).map_err(status::invalid)?;
        let holders = client
            .call(&get, caller.deadline)
            .await
            .map_err(|error| status::wecom(&error))?;
        Ok(Response::new(convert::user::tag_holders(
            get.tag_id, holders,
        )))
    }
}

/// The parts of a list, each fetched when the caller reads it.
type Parts<T> = BoxStream<'static, Result<T, Status>>;

/// Makes the next step of a stream, unless the gateway closes meanwhile.
async fn unless_closing<T>(
    closing: &CancellationToken,
    step: impl Future<Output = wecom::Result<T>>,
) -> Result<T, Status> {
    match closing.run_until_cancelled(step).await {
        Some(result) => result.map_err(|error| status::wecom(&error)),
        None => Err(status::shutting_down()),
    }
}
