//! Walks along a path of an image, through the links that lie on it.

/// The number of links that a path may lead through, as Linux has it.
pub(crate) const MAX_LINKS: usize = 40;

/// A walk along an absolute path of an image. The caller looks at each place, and follows what is a link there.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    at: Vec<u8>,
    /// The length of the directory that the place lies in.
    parent: usize,
    /// The names to come, the last one first.
    rest: Vec<Vec<u8>>,
    links: usize,
}

impl Walk {
    /// Starts at the root. Slashes at either end of the path mean nothing.
    pub(crate) fn along(path: &[u8]) -> Self {
        Self {
            at: Vec::new(),
            parent: 0,
            rest: reversed(path).collect(),
            links: 0,
        }
    }

    /// Goes on to the next name and returns the place: an absolute path without a slash at its end. `..` takes the
    /// last name away, whatever is there. Returns none at the end of the walk.
    pub(crate) fn step(&mut self) -> Option<&[u8]> {
        loop {
            let name = self.rest.pop()?;
            if name == b".." {
                let slash = self.at.iter().rposition(|&byte| byte == b'/');
                self.at.truncate(slash.unwrap_or(0));
                continue;
            }
            self.parent = self.at.len();
            self.at.push(b'/');
            self.at.extend_from_slice(&name);
            return Some(&self.at);
        }
    }

    /// Goes where the link at the place leads. Returns none, and stays, if that is one link too many.
    pub(crate) fn follow(&mut self, target: &[u8]) -> Option<()> {
        if self.links == MAX_LINKS {
            return None;
        }
        self.links += 1;
        self.at.truncate(if target.starts_with(b"/") {
            0
        } else {
            self.parent
        });
        self.rest.extend(reversed(target));
        Some(())
    }

    /// Returns the place. The root is an empty path.
    pub(crate) fn at(&self) -> &[u8] {
        &self.at
    }

    /// Tells whether no name is to come.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Tells whether a link was followed.
    pub(crate) fn was_led(&self) -> bool {
        self.links > 0
    }

    /// Returns the place that the way would end at if there were no more links.
    pub(crate) fn end(mut self) -> Vec<u8> {
        while self.step().is_some() {}
        self.at
    }
}

/// The names on a path, the last one first.
fn reversed(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.rsplit(|&byte| byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places on the way along a path, where these are links.
    fn places(path: &str, links: &[(&str, &str)]) -> Vec<String> {
        let mut walk = Walk::along(path.as_bytes());
        let mut places = vec![];
        while let Some(at) = walk.step() {
            let at = String::from_utf8(at.to_vec()).unwrap();
            let link = links.iter().find(|(link, _)| *link == at);
            places.push(at);
            if let Some((_, target)) = link
                && walk.follow(target.as_bytes()).is_none()
            {
                places.push("too many".to_owned());
                break;
            }
        }
        places
    }

    #[test]
    fn names_and_links_are_gone_through_one_by_one() {
        let links = &[("/bin", "usr/bin"), ("/usr/bin/sh", "/opt/./sh")];
        for (path, expected) in [
            ("", &[][..]),
            ("/", &[]),
            ("/..", &[]),
            ("//a/./b/", &["/a", "/a/b"]),
            ("/a/../../b", &["/a", "/b"]),
            ("a/b", &["/a", "/a/b"]),
            (
                "/bin/sh",
                &["/bin", "/usr", "/usr/bin", "/usr/bin/sh", "/opt", "/opt/sh"],
            ),
        ] {
            assert_eq!(places(path, links), expected, "{path}");
        }
    }

    #[test]
    fn links_that_lead_to_each_other_come_to_an_end() {
        for target in ["loop", "/loop", "../loop", "./loop/x"] {
            let places = places("/loop", &[("/loop", target)]);
            assert_eq!(places.len(), MAX_LINKS + 2, "{target}");
            assert_eq!(places.last().unwrap(), "too many");
        }
    }

    #[test]
    fn the_rest_of_a_way_is_where_it_would_end() {
        let mut walk = Walk::along(b"/a/b/../c");
        assert!(walk.step().is_some() && !walk.is_at_end() && !walk.was_led());
        walk.follow(b"x").unwrap();
        assert!(walk.was_led());
        assert_eq!(
            (walk.at(), walk.clone().end()),
            (&b""[..], b"/x/c".to_vec())
        );
    }
}
