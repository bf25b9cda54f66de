//! Addresses of hosts that may be asked for a blob: a public name can lead into an internal network.

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::elsewhere::Reach;

/// All addresses of a host are out of reach.
#[derive(Debug, thiserror::Error)]
#[error("all addresses are those of an internal network")]
pub(super) struct OutOfReach;

/// A resolver that leaves out addresses that a request may not lead to.
///
/// Names that a proxy resolves are the proxy's affair, and its own address is the user's choice: with a proxy nothing
/// is left out.
#[derive(Debug)]
pub(super) struct ReachResolver<R = DefaultResolver> {
    reach: Reach,
    names: R,
}

impl ReachResolver {
    /// Returns a resolver that asks the system.
    pub(super) fn new(reach: Reach) -> Self {
        let names = DefaultResolver::default();
        Self { reach, names }
    }
}

impl<R: Resolver> Resolver for ReachResolver<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.names.resolve(uri, config, timeout)?;
        if config.proxy().is_some() {
            return Ok(found);
        }
        let mut allowed = self.empty();
        for address in found.iter().filter(|found| self.reach.allows(found.ip())) {
            allowed.push(*address);
        }
        if allowed.is_empty() {
            return Err(ureq::Error::Other(Box::new(OutOfReach)));
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use ureq::{Agent, Proxy};

    use super::*;

    /// Any name leads to these addresses.
    #[derive(Debug)]
    struct Fixed(Vec<&'static str>);

    impl Resolver for Fixed {
        fn resolve(
            &self,
            _: &Uri,
            _: &Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let mut found = self.empty();
            for address in &self.0 {
                found.push(address.parse().unwrap());
            }
            Ok(found)
        }
    }

    fn resolve(reach: Reach, addresses: &[&'static str], proxy: Option<Proxy>) -> Vec<SocketAddr> {
        let resolver = ReachResolver {
            reach,
            names: Fixed(addresses.to_vec()),
        };
        let agent: Agent = Agent::config_builder().proxy(proxy).build().into();
        let uri = Uri::from_static("http://layers.example/one");
        match resolver.resolve(&uri, agent.config(), NextTimeout::default()) {
            Ok(found) => found.iter().copied().collect(),
            Err(ureq::Error::Other(error)) => {
                assert!(error.is::<OutOfReach>());
                vec![]
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn names_lead_into_a_network_only_from_there() {
        const PUBLIC: &str = "93.184.215.14:80";
        const HERE: &str = "127.0.0.1:80";
        const INSIDE: &str = "[fd00::1]:80";
        for (reach, expected) in [
            (Reach::Public, &[PUBLIC][..]),
            (Reach::Machine, &[HERE, PUBLIC]),
            (Reach::Internal, &[HERE, INSIDE, PUBLIC]),
        ] {
            let found = resolve(reach, &[HERE, INSIDE, PUBLIC], None);
            let expected: Vec<SocketAddr> = expected.iter().map(|a| a.parse().unwrap()).collect();
            assert_eq!(found, expected, "{reach:?}");
        }
        for inside in [INSIDE, "169.254.169.254:80", "[::ffff:10.0.0.1]:80", HERE] {
            assert_eq!(resolve(Reach::Public, &[inside], None), [], "{inside}");
        }
        let proxy = Proxy::new("http://proxy.example:3128").unwrap();
        let through_proxy = resolve(Reach::Public, &[INSIDE], Some(proxy));
        assert_eq!(through_proxy, [INSIDE.parse().unwrap()]);
    }
}
