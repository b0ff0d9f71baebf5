//! Whom a replica runs as: `/etc/passwd` and `/etc/group`, read as text. Users of other sources are given by their number.

use std::fs;

/// A user's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The groups that the user is a member of beside.
    pub(super) groups: Vec<u32>,
}

/// Looks a user up by name or number.
pub(super) fn look_up(user: &str) -> Result<User, String> {
    let read = |path| fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"));
    let passwd = read("/etc/passwd")?;
    // Without it the user has its own group only.
    let groups = read("/etc/group").unwrap_or_default();
    find(user, &passwd, &groups).ok_or_else(|| {
        format!("there is no user '{user}' in /etc/passwd; write a name that is there, or a number")
    })
}

/// A number that is nobody's is a user with the group of the same number.
fn find(user: &str, passwd: &str, groups: &str) -> Option<User> {
    let entry = |line: &str| -> Option<(String, u32, u32)> {
        let fields: Vec<&str> = line.split(':').collect();
        Some((fields.first()?.to_string(), fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    let number: Option<u32> = user.parse().ok().filter(|&number| number != u32::MAX);
    let mut entries = passwd.lines().filter_map(entry);
    match entries.find(|(name, uid, _)| name == user || Some(*uid) == number) {
        Some((name, uid, gid)) => Some(User { uid, gid, groups: groups_of(&name, gid, groups) }),
        None => number.map(|number| User { uid: number, gid: number, groups: vec![number] }),
    }
}

fn groups_of(name: &str, gid: u32, groups: &str) -> Vec<u32> {
    let membership = |line: &str| -> Option<u32> {
        let fields: Vec<&str> = line.split(':').collect();
        let is_member = fields.get(3)?.split(',').any(|member| member.trim() == name);
        fields.get(2)?.parse().ok().filter(|_| is_member)
    };
    let mut all: Vec<u32> = groups.lines().filter_map(membership).chain([gid]).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\n# no entry\nbroken:x\nweb:x:33:34::/srv:/bin/false\n";
    const GROUPS: &str = "root:x:0:\nlog:x:7:web,other\nweb:x:34:\nbroken:x:a:web\nlast:x:9:other, web\n";

    #[test]
    fn users_are_found_by_name_and_number() {
        let web = User { uid: 33, gid: 34, groups: vec![7, 9, 34] };
        let unknown = User { uid: 500, gid: 500, groups: vec![500] };
        for (user, expected) in [
            ("web", Some(web.clone())),
            ("33", Some(web)),
            ("root", Some(User { uid: 0, gid: 0, groups: vec![0] })),
            ("500", Some(unknown)),
            ("we", None),
            ("broken", None),
            ("", None),
            ("-1", None),
            ("4294967295", None),
        ] {
            assert_eq!(find(user, PASSWD, GROUPS), expected, "{user}");
        }
    }
}
