//! Requests by a proxy.

use std::io::{Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use terrine_support::hint::Hint;

use super::super::testing::{Server, step};
use super::super::{Client, ClientOptions, Proxies};
use super::{GET, INDEX, INDEX_TYPE, chain, image, index, options};

const ABSOLUTE: &str = "GET http://registry.example:5000/v2/acme/web/manifests/1.2";

fn client(variable: &'static str, url: &str, plain_http: bool) -> Client {
    Client::new(ClientOptions {
        plain_http,
        retries: 0,
        proxies: Proxies::of_environment(|name| (name == variable).then(|| url.into())),
        ..options()
    })
}

#[test]
fn plain_http_is_forwarded() {
    let proxy = Server::bind();
    let url = format!("http://user:sec%72et@{}", proxy.address);
    let good = || {
        step(ABSOLUTE)
            .header("content-type", INDEX_TYPE)
            .body(INDEX)
    };
    let put = "PUT http://registry.example:5000/v2/acme/web/manifests/1.3";
    let running = proxy.run(vec![
        step("GET http://registry.example:5000/v2/").keep(),
        good().keep(),
        // On the same connection, after a body.
        step(put).status(201).keep(),
        good(),
        step(ABSOLUTE).status(407),
    ]);
    let of = "registry.example:5000/acme/web:1.2".parse().unwrap();
    let client = client("HTTP_PROXY", &url, true);
    let document = client.document(&of).unwrap();
    let to = "registry.example:5000/acme/web:1.3".parse().unwrap();
    client.put_document(&to, &document).unwrap();
    client.document(&of).unwrap();
    let error = client.document(&of).unwrap_err();
    assert!(
        chain(&error).contains("of `HTTP_PROXY` failed: it answers 407"),
        "{}",
        chain(&error)
    );
    assert!(!chain(&error).contains("secret"));
    assert!(error.hint().unwrap().contains("`USER:PASSWORD@`"));
    for seen in running.seen() {
        assert_eq!(
            seen.header("proxy-authorization"),
            Some("Basic dXNlcjpzZWNyZXQ=")
        );
        assert_eq!(seen.header("host"), Some("registry.example:5000"));
    }
}

#[test]
fn encrypted_connections_are_tunnels() {
    for (answer, expected) in [
        (
            step("").status(407),
            "failed: it answers 407 Proxy Authentication Required",
        ),
        (step("").status(502), "failed: it answers 502 Bad Gateway"),
        (step("").keep(), "`registry.example` does not speak TLS"),
    ] {
        let proxy = Server::bind();
        let url = format!("user:secret@{}", proxy.address);
        let is_open = expected.ends_with("TLS");
        let mut steps = vec![answer.expecting("CONNECT registry.example:443")];
        steps.extend(is_open.then(|| step("TLS")));
        let running = proxy.run(steps);
        let of = "registry.example/acme/web:1.2".parse().unwrap();
        let error = client("https_proxy", &url, false)
            .document(&of)
            .unwrap_err();
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        assert!(!chain(&error).contains("secret"));
        let seen = &running.seen()[0];
        assert_eq!(
            seen.header("proxy-authorization"),
            Some("Basic dXNlcjpzZWNyZXQ=")
        );
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let gone = Server::bind().address;
    let of = "registry.example:5000/acme/web:1.2".parse().unwrap();
    for (variable, plain) in [
        ("http_proxy", true),
        ("HTTPS_PROXY", false),
        ("ALL_PROXY", true),
    ] {
        let client = client(variable, &format!("http://{gone}"), plain);
        let error = chain(&client.document(&of).unwrap_err());
        let expected =
            format!("through the proxy `{gone}` of `{variable}` failed: Connection refused");
        assert!(error.contains(&expected), "{error}");
    }
    let error = client("https_proxy", "ftp://x:secret@y", false).document(&of);
    let error = chain(&error.unwrap_err());
    assert!(
        error.contains("`https_proxy` is not a valid proxy URL") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn this_machine_is_reached_without_a_proxy() {
    let (registry, gone) = (Server::bind(), Server::bind().address);
    let of = image(&registry);
    let running = registry.run(vec![index(GET)]);
    client("ALL_PROXY", &format!("http://{gone}"), true)
        .document(&of)
        .unwrap();
    running.seen();
}

#[test]
fn one_that_waits_for_a_line_is_asked_without_tls() {
    // The greeting is not answered, and not what it expects.
    let registry = Server::bind();
    let of = image(&registry);
    let running = registry.run(vec![step("DEAF"), step("GET /v2/"), index(GET)]);
    Client::new(ClientOptions {
        plain_http: false,
        connect_timeout: Duration::from_millis(300),
        ..options()
    })
    .document(&of)
    .unwrap();
    running.seen();
}

/// A SOCKS proxy for one connection, which leads to `registry` whatever is asked for. Returns the login that it is
/// given, as `user:password`, and what it is asked for.
fn socks(registry: SocketAddr, refuses: bool) -> (SocketAddr, JoinHandle<(String, String)>) {
    fn take<const N: usize>(from: &mut TcpStream) -> [u8; N] {
        let mut bytes = [0; N];
        from.read_exact(&mut bytes).unwrap();
        bytes
    }
    fn text(from: &mut TcpStream) -> String {
        let [length] = take(from);
        let mut bytes = vec![0; length.into()];
        from.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let work = move || {
        let (mut client, _) = listener.accept().unwrap();
        let [version] = take(&mut client);
        assert_eq!(version, 5);
        let wants_login = text(&mut client).contains('\u{2}');
        client
            .write_all(&[5, if wants_login { 2 } else { 0 }])
            .unwrap();
        let mut login = String::new();
        if wants_login {
            let [_] = take(&mut client);
            login = format!("{}:{}", text(&mut client), text(&mut client));
            client.write_all(&[1, 0]).unwrap();
        }
        let [_, command, _, kind] = take(&mut client);
        // A connection, to a name.
        assert_eq!((command, kind), (1, 3));
        let host = text(&mut client);
        let port = u16::from_be_bytes(take(&mut client));
        let answer = if refuses { 2 } else { 0 };
        client
            .write_all(&[5, answer, 0, 1, 0, 0, 0, 0, 0, 0])
            .unwrap();
        if !refuses {
            let mut server = TcpStream::connect(registry).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let there = thread::spawn(move || copy(&mut from, &mut to));
            let _ = copy(&mut server, &mut client);
            let _ = client.shutdown(Shutdown::Both);
            let _ = there.join();
        }
        (login, format!("{host}:{port}"))
    };
    (address, thread::spawn(work))
}

#[test]
fn socks_proxies_are_given_names_and_logins() {
    let of = "registry.example:5000/acme/web:1.2".parse().unwrap();
    for (scheme, login) in [
        ("socks5", ""),
        ("socks5h", ""),
        ("SOCKS5", "user:sec%72et@"),
        ("socks5h", "user:secret@"),
    ] {
        let registry = Server::bind();
        let (proxy, seen) = socks(registry.address, false);
        let running = registry.run(vec![index(GET)]);
        let client = client("ALL_PROXY", &format!("{scheme}://{login}{proxy}"), true);
        client.document(&of).unwrap();
        drop(client);
        let requests = running.seen();
        assert_eq!(requests[0].header("proxy-authorization"), None);
        let expected = if login.is_empty() { "" } else { "user:secret" };
        assert_eq!(
            seen.join().unwrap(),
            (expected.to_owned(), "registry.example:5000".to_owned()),
            "{scheme}"
        );
    }
    let registry = Server::bind();
    let (proxy, seen) = socks(registry.address, true);
    let error = client("ALL_PROXY", &format!("socks5://user:secret@{proxy}"), true).document(&of);
    let error = chain(&error.unwrap_err());
    let named = format!("through the proxy `{proxy}` of `ALL_PROXY` failed");
    assert!(
        error.contains(&named) && !error.contains("secret"),
        "{error}"
    );
    seen.join().unwrap();
}
