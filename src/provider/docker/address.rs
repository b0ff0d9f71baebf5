//! Which of a container's networks it is reached on.

use std::net::IpAddr;

/// A network that a container is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    /// The network's name, which others may have as well.
    pub(super) name: Box<str>,
    /// Its id.
    pub(super) id: Box<str>,
    /// The container's address there, while it runs.
    pub(super) address: Option<IpAddr>,
}

/// The address on the network with this id: a container may be on others, at addresses that lead nowhere from here.
///
/// # Errors
/// When there is none, in words for the operator.
pub(super) fn choose(attachments: &[Attachment], id: &str, name: &str) -> Result<IpAddr, String> {
    let mut on = attachments.iter().filter(|attachment| *attachment.id == *id);
    match (on.next(), on.next()) {
        (Some(only), None) => {
            only.address.ok_or_else(|| format!("the container has no address on network '{name}'"))
        }
        (Some(_), Some(_)) => Err(format!("the engine says twice that the container is on network '{name}'")),
        (None, _) => Err(format!("the container is not on network '{name}'{}", others(attachments))),
    }
}

fn others(attachments: &[Attachment]) -> String {
    const SHOWN_MAX: usize = 5;
    let names: Vec<&str> = attachments.iter().take(SHOWN_MAX).map(|attachment| &*attachment.name).collect();
    if names.is_empty() { String::new() } else { format!(", but on {}", names.join(", ")) }
}

/// The one network that is called so, or has this id.
///
/// # Errors
/// When there is none or more than one: engines take a name that exists twice, and then mean any of them.
pub(super) fn only_network<'a>(
    networks: &'a [(Box<str>, Box<str>)],
    wanted: &str,
) -> Result<Option<&'a str>, String> {
    if let Some((id, _)) = networks.iter().find(|(id, _)| **id == *wanted) {
        return Ok(Some(id));
    }
    let called: Vec<&str> =
        networks.iter().filter(|(_, name)| **name == *wanted).map(|(id, _)| &**id).collect();
    match called[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(format!(
            "{} networks are called '{wanted}' ({}): remove all but one, or write the id of one as replicas.network",
            called.len(),
            called.iter().take(5).map(|id| id.chars().take(12).collect()).collect::<Vec<String>>().join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(name: &str, id: &str, address: Option<&str>) -> Attachment {
        let address = address.map(|address| address.parse().unwrap());
        Attachment { name: name.into(), id: id.into(), address }
    }

    #[test]
    fn the_address_is_that_of_the_network_that_was_meant() {
        let bridge = on("bridge", "b1", Some("172.17.0.2"));
        let back = on("back", "n1", Some("172.20.0.5"));
        let twin = on("back", "n2", Some("172.21.0.5"));
        let silent = on("back", "n1", None);
        let cases: &[(&[Attachment], Result<&str, &str>)] = &[
            (std::slice::from_ref(&back), Ok("172.20.0.5")),
            (&[bridge.clone(), twin, back.clone()], Ok("172.20.0.5")),
            (&[silent], Err("has no address on network 'back'")),
            (&[bridge], Err("is not on network 'back', but on bridge")),
            (&[], Err("is not on network 'back'")),
            (&[back.clone(), back.clone()], Err("says twice")),
        ];
        for (attachments, expected) in cases {
            match (choose(attachments, "n1", "back"), expected) {
                (Ok(address), Ok(expected)) => assert_eq!(address.to_string(), *expected),
                (Err(error), Err(said)) => assert!(error.contains(said), "{error}"),
                (found, _) => panic!("{attachments:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_name_that_exists_twice_is_an_error_that_shows_the_ids() {
        let networks: Vec<(Box<str>, Box<str>)> =
            [("aaaaaaaaaaaaaaaa", "back"), ("bbbbbbbbbbbbbbbb", "back"), ("cccc", "front")]
                .map(|(id, name)| (id.into(), name.into()))
                .into();
        assert_eq!(only_network(&networks, "front"), Ok(Some("cccc")));
        assert_eq!(only_network(&networks, "none"), Ok(None));
        assert_eq!(only_network(&networks, "bbbbbbbbbbbbbbbb"), Ok(Some("bbbbbbbbbbbbbbbb")));
        let error = only_network(&networks, "back").unwrap_err();
        assert!(error.contains("2 networks are called 'back' (aaaaaaaaaaaa, bbbbbbbbbbbb)"), "{error}");
    }
}
