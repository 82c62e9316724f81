//! Departments, members, tags, and who is meant when one of them is named.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::settings::VisibleRange;

/// The people of the corp (通讯录).
#[derive(Clone, Debug, Default, Serialize)]
pub struct Directory {
    /// All departments; the root has id 1 and parent 0.
    pub departments: Vec<Department>,
    /// All members.
    pub members: Vec<Member>,
    /// All tags.
    pub tags: Vec<Tag>,
}

/// A department (部门).
#[derive(Clone, Debug, Serialize)]
pub struct Department {
    /// Party id; the root is 1.
    pub id: u32,
    /// Id of the department above; 0 above the root.
    pub parent_id: u32,
    /// Name for people.
    pub name: String,
}

impl Department {
    /// A department under `parent_id`.
    pub fn new(id: u32, parent_id: u32, name: &str) -> Self {
        Self {
            id,
            parent_id,
            name: name.to_owned(),
        }
    }
}

/// A member (成员).
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// userid, unique in the corp whatever its letter case.
    pub user_id: String,
    /// Name for people.
    pub name: String,
    /// The departments the member sits in.
    pub department_ids: Vec<u32>,
    /// Whether the member holds the basic interface licence (基础接口许可).
    pub licensed: bool,
    /// Whether the member linked WeChat, and so has an openid.
    pub wechat: bool,
    /// Whether the member ever logged in.
    pub activated: bool,
}

impl Member {
    /// A licensed member who uses WeCom and WeChat.
    pub fn new(user_id: &str, name: &str, department_ids: &[u32]) -> Self {
        Self {
            user_id: user_id.to_owned(),
            name: name.to_owned(),
            department_ids: department_ids.to_vec(),
            licensed: true,
            wechat: true,
            activated: true,
        }
    }
}

/// A tag (标签): members, and departments with all below them.
#[derive(Clone, Debug, Serialize)]
pub struct Tag {
    /// Tag id.
    pub id: u32,
    /// Name for people.
    pub name: String,
    /// Members named one by one.
    pub user_ids: Vec<String>,
    /// Departments whose members carry the tag.
    pub department_ids: Vec<u32>,
}

/// A place in [`Directory::members`].
pub(super) type Seat = usize;

/// The directory with the look-ups that sending needs.
pub(super) struct Roster {
    pub(super) directory: Directory,
    ids: Vec<Arc<str>>,
    seats: HashMap<String, Seat>,
    children: HashMap<u32, Vec<u32>>,
    names: HashMap<u32, String>,
    sitting: HashMap<u32, Vec<Seat>>,
}

/// What one app can see.
pub(super) struct Scope {
    department_ids: HashSet<u32>,
    seats: Vec<bool>,
}

impl Roster {
    pub(super) fn new(directory: Directory) -> Self {
        let mut seats = HashMap::new();
        let mut sitting: HashMap<u32, Vec<Seat>> = HashMap::new();
        for (seat, member) in directory.members.iter().enumerate() {
            seats.insert(member.user_id.to_lowercase(), seat);
            for &id in &member.department_ids {
                sitting.entry(id).or_default().push(seat);
            }
        }
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for department in &directory.departments {
            let siblings = children.entry(department.parent_id).or_default();
            siblings.push(department.id);
        }
        Self {
            ids: directory
                .members
                .iter()
                .map(|m| m.user_id.as_str().into())
                .collect(),
            names: directory
                .departments
                .iter()
                .map(|d| (d.id, d.name.clone()))
                .collect(),
            seats,
            children,
            sitting,
            directory,
        }
    }

    pub(super) fn scope(&self, visible: &VisibleRange) -> Scope {
        let mut department_ids = HashSet::new();
        let mut seats = vec![false; self.ids.len()];
        for &id in &visible.department_ids {
            department_ids.extend(self.subtree(id));
        }
        for id in &department_ids {
            for &seat in self.sitting.get(id).into_iter().flatten() {
                seats[seat] = true;
            }
        }
        for seat in visible.user_ids.iter().filter_map(|id| self.seat(id)) {
            seats[seat] = true;
        }
        Scope {
            department_ids,
            seats,
        }
    }

    /// The seat of a userid; WeCom compares userids without regard to case.
    pub(super) fn seat(&self, user_id: &str) -> Option<Seat> {
        self.seats.get(&user_id.to_lowercase()).copied()
    }

    pub(super) fn user_id(&self, seat: Seat) -> &Arc<str> {
        &self.ids[seat]
    }

    pub(super) fn member(&self, seat: Seat) -> &Member {
        &self.directory.members[seat]
    }

    /// All departments, in the order of the directory.
    pub(super) fn departments(&self) -> &[Department] {
        &self.directory.departments
    }

    /// The department of this id.
    pub(super) fn department(&self, id: u32) -> Option<&Department> {
        self.departments()
            .iter()
            .find(|department| department.id == id)
    }

    /// Those who sit in the department itself.
    pub(super) fn sitting(&self, id: u32) -> &[Seat] {
        self.sitting.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn department_name(&self, id: u32) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    /// Everyone in a department and below it.
    pub(super) fn in_department(&self, id: u32) -> Vec<Seat> {
        let ids = self.subtree(id);
        let seats = ids.iter().filter_map(|id| self.sitting.get(id));
        seats.flatten().copied().collect()
    }

    /// Everyone who carries a tag; `None` when there is no such tag.
    pub(super) fn in_tag(&self, id: u32) -> Option<Vec<Seat>> {
        let tag = self.directory.tags.iter().find(|tag| tag.id == id)?;
        let named = tag.user_ids.iter().filter_map(|id| self.seat(id));
        let departments = tag.department_ids.iter();
        let seated = departments.flat_map(|&id| self.in_department(id));
        Some(named.chain(seated).collect())
    }

    /// The department and all below it; empty when there is none of this id.
    pub(super) fn subtree(&self, id: u32) -> Vec<u32> {
        let mut found = Vec::new();
        if self.names.contains_key(&id) {
            found.push(id);
        }
        let mut next = 0;
        while let Some(&id) = found.get(next) {
            next += 1;
            for &child in self.children.get(&id).into_iter().flatten() {
                // A directory that names a department its own ancestor must not loop.
                if !found.contains(&child) {
                    found.push(child);
                }
            }
        }
        found
    }
}

impl Scope {
    pub(super) fn sees_department(&self, id: u32) -> bool {
        self.department_ids.contains(&id)
    }

    pub(super) fn sees(&self, seat: Seat) -> bool {
        self.seats[seat]
    }

    pub(super) fn everyone(&self) -> Vec<Seat> {
        let seats = self.seats.iter().enumerate();
        seats
            .filter_map(|(seat, &seen)| seen.then_some(seat))
            .collect()
    }
}
