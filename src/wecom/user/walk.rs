//! The members of a department in parts, and those of the departments below it: one
//! call for each department. WeCom's own switch `fetch_child` is no longer documented.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use std::vec;

use tokio::time::{Instant, sleep};

use super::{DepartmentListBrief, Detail, List, ListBrief, ListFull, Member};
use crate::wecom::call::Call;
use crate::wecom::client::Client;
use crate::wecom::errcode::Class;
use crate::wecom::error::{Error, Result};

/// Members of a part. Full ones have a few hundred bytes each.
const PART: usize = 100;
/// The corp's own pace (10 000 calls a minute) lets the next call pass in milliseconds;
/// a block of WeCom's lasts a minute or more, and is told to the caller.
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);

/// A walk through departments; holds the members of one of them, and the ids of those
/// it gave, which a second department may name again.
pub struct Walk {
    client: Client,
    list: List,
    /// Still to be listed; `None` before the first step.
    departments: Option<VecDeque<u32>>,
    members: vec::IntoIter<Member>,
    given: HashSet<String>,
}

impl Walk {
    /// Of what `list` asks for.
    pub fn new(client: Client, list: List) -> Self {
        Self {
            client,
            list,
            departments: None,
            members: Vec::new().into_iter(),
            given: HashSet::new(),
        }
    }

    /// The next members, at most 100; `None` after the last.
    pub async fn next(&mut self, deadline: Instant) -> Result<Option<Vec<Member>>> {
        loop {
            let part = self.part();
            if !part.is_empty() {
                return Ok(Some(part));
            }
            let Some(department_id) = self.next_department(deadline).await? else {
                return Ok(None);
            };
            self.members = self.members_of(department_id, deadline).await?.into_iter();
        }
    }

    fn part(&mut self) -> Vec<Member> {
        let given = &mut self.given;
        // The members of one department are told once each by WeCom.
        let several = self.list.recursive;
        let fresh = |member: &Member| !several || given.insert(member.user_id.clone());
        self.members.by_ref().filter(fresh).take(PART).collect()
    }

    async fn next_department(&mut self, deadline: Instant) -> Result<Option<u32>> {
        if self.departments.is_none() {
            self.departments = Some(self.below(deadline).await?);
        }
        Ok(self.departments.as_mut().and_then(VecDeque::pop_front))
    }

    /// The department itself, then those below it.
    async fn below(&self, deadline: Instant) -> Result<VecDeque<u32>> {
        let top = self.list.department_id;
        let mut ids = VecDeque::from([top]);
        if self.list.recursive {
            let call = DepartmentListBrief {
                department_id: Some(top),
            };
            let reply = in_patience(&self.client, &call, deadline).await?;
            let all = reply
                .departments
                .into_iter()
                .map(|department| department.id);
            ids.extend(all.filter(|id| *id != top));
        }
        Ok(ids)
    }

    async fn members_of(&self, department_id: u32, deadline: Instant) -> Result<Vec<Member>> {
        let client = &self.client;
        let reply = match self.list.detail {
            Detail::Brief => in_patience(client, &ListBrief { department_id }, deadline).await,
            Detail::Full => in_patience(client, &ListFull { department_id }, deadline).await,
        };
        match reply {
            Ok(reply) => Ok(reply.members),
            // Dissolved since the walk began: nobody is in it.
            Err(Error::Refused { refusal, .. })
                if department_id != self.list.department_id
                    && refusal.class() == Some(Class::NotFound) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }
}

/// Makes a call of many; waits where the corp's pace holds it back for a moment.
pub(super) async fn in_patience<C: Call>(
    client: &Client,
    call: &C,
    deadline: Instant,
) -> Result<C::Reply> {
    loop {
        match client.call(call, deadline).await {
            Err(Error::Paced(held))
                if held.retry_after <= LONGEST_PATIENCE
                    && Instant::now() + held.retry_after < deadline =>
            {
                sleep(held.retry_after).await;
            }
            result => return result,
        }
    }
}
