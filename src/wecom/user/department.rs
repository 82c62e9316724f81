//! Departments (部门).
//!
//! Sources, read on 2026-11-24:
//! <https://developer.work.weixin.qq.com/document/path/90208> (department/list),
//! <https://developer.work.weixin.qq.com/document/path/95350> (department/simplelist),
//! <https://developer.work.weixin.qq.com/document/path/95351> (department/get)

use serde::Deserialize;

use super::check_number;
use super::lenient::{number, or_default};
use crate::wecom::call::{Call, Credential, Payload, Repeat};
use crate::wecom::check::Checker;

/// department/list: a department with all below it, or all that the app may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartmentList {
    /// `None` for all.
    pub department_id: Option<u32>,
}

/// department/simplelist: the same departments without names and leaders, which WeCom
/// answers much sooner in a large corp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartmentListBrief {
    /// `None` for all.
    pub department_id: Option<u32>,
}

/// department/get: one department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetDepartment {
    /// Required, 1 or more.
    pub department_id: u32,
}

impl GetDepartment {
    /// Notes every broken rule.
    pub fn check(&self, found: &mut Checker) {
        check_number("department_id", self.department_id, found);
    }
}

/// A department.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Department {
    /// The root department is 1.
    #[serde(deserialize_with = "number")]
    pub id: u32,
    /// The name; empty in brief lists.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// The English name.
    #[serde(rename = "name_en", default, deserialize_with = "or_default")]
    pub english_name: String,
    /// Members who lead it.
    #[serde(rename = "department_leader", default, deserialize_with = "or_default")]
    pub leader_user_ids: Vec<String>,
    /// The department above; 0 for the root.
    #[serde(rename = "parentid", default, deserialize_with = "number")]
    pub parent_id: u32,
    /// Rank among its neighbours: larger comes first.
    #[serde(default, deserialize_with = "number")]
    pub order: u32,
}

/// The answer of department/list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Departments {
    /// In WeCom's order.
    #[serde(rename = "department", default, deserialize_with = "or_default")]
    pub departments: Vec<Department>,
}

/// The answer of department/simplelist, whose list has another name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DepartmentsBrief {
    /// In WeCom's order.
    #[serde(rename = "department_id", default, deserialize_with = "or_default")]
    pub departments: Vec<Department>,
}

/// The answer of department/get.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FoundDepartment {
    /// The department.
    pub department: Department,
}

fn query(department_id: Option<u32>) -> Payload {
    let id = department_id.map(|id| ("id", id.to_string()));
    Payload::Query(id.into_iter().collect())
}

impl Call for DepartmentList {
    const PATH: &'static str = "department/list";
    const CREDENTIAL: Credential = Credential::Directory;
    type Reply = Departments;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        query(self.department_id)
    }
}

impl Call for DepartmentListBrief {
    const PATH: &'static str = "department/simplelist";
    const CREDENTIAL: Credential = Credential::Directory;
    type Reply = DepartmentsBrief;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        query(self.department_id)
    }
}

impl Call for GetDepartment {
    const PATH: &'static str = "department/get";
    const CREDENTIAL: Credential = Credential::Directory;
    type Reply = FoundDepartment;

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn payload(&self) -> Payload {
        query(Some(self.department_id))
    }
}
