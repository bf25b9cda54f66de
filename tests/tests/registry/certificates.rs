//! The authorities whose certificates count, and those of our certificates that are shown.

use std::fs;
use std::process::Command;

use terrine_tests::registry::Registry;
use terrine_tests::shipment::Shipment;
use terrine_tests::{Run, peer, terrine};

use super::said;

#[test]
fn tls_goes_by_the_authorities_that_are_known() {
    let Some(registry) = Registry::with_tls() else {
        return;
    };
    let shipment = Shipment::small();
    let host = registry.host();
    let to = format!("docker://{host}/acme/web:1");
    let run = shipment.build(&to, &["-q"]);
    assert_eq!(run.code, Some(1));
    insta::assert_snapshot!(
        "unknown-authority",
        said(&run, &shipment, &[(host, "[HOST]")])
    );
    // Nor in plain HTTP, because it is on this machine.
    assert!(registry.tags_if_any("acme/web").is_empty());
    let mut command = shipment.build_command(&to, &[]);
    Run::of(command.env("SSL_CERT_FILE", registry.authority())).ok();
    let mut verify = shipment.at_home(terrine());
    Run::of(
        verify
            .env("SSL_CERT_FILE", registry.authority())
            .args(["verify", &to]),
    )
    .ok();
    // What is not on this machine is not spoken to in the open, unless that is asked for.
    let elsewhere = "docker://registry.invalid/acme/web:1";
    let plain = shipment.build(elsewhere, &["-q", "--plain-http", "--retries", "0"]);
    assert_eq!(plain.code, Some(1));
    insta::assert_snapshot!("no-such-host", said(&plain, &shipment, &[]));
}

#[test]
fn a_server_certificate_that_is_trusted_itself_works() {
    let Some(registry) = Registry::with_own_certificate() else {
        return;
    };
    let shipment = Shipment::small();
    let host = registry.host();
    let to = format!("docker://{host}/acme/web:1");
    let folder = shipment
        .home()
        .join(".config/containers/certs.d")
        .join(host);
    fs::create_dir_all(&folder).unwrap();
    let refused = shipment.build(&to, &["-q"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("an unknown authority"),
        "{}",
        refused.stderr
    );
    let given = folder.parent().unwrap().join("given");
    fs::create_dir_all(&given).unwrap();
    fs::copy(registry.authority(), given.join("own.crt")).unwrap();
    shipment
        .build(&to, &["--cert-dir", given.to_str().unwrap()])
        .ok();
    fs::copy(registry.authority(), folder.join("ca.crt")).unwrap();
    let verify = |options: &[&str]| {
        let mut verify = shipment.at_home(terrine());
        Run::of(verify.args(["verify", &to]).args(options)).ok();
    };
    verify(&[]);
    fs::remove_file(folder.join("ca.crt")).unwrap();
    verify(&["--tls-verify=false"]);
}

#[test]
fn client_certificates_of_any_kind_are_shown() {
    let (Some(registry), Some(openssl)) =
        (Registry::with_client_certificates(), peer::find("openssl"))
    else {
        return;
    };
    let shipment = Shipment::small();
    let to = format!("docker://{}/acme/web:1", registry.host());
    let folder = shipment.home().join("certs");
    fs::create_dir_all(&folder).unwrap();
    let authority = registry.authority();
    fs::copy(&authority, folder.join("ca.crt")).unwrap();
    let openssl = |arguments: &str| {
        let mut command = Command::new(&openssl);
        let arguments = arguments.split(' ').map(|word| match word {
            "CA" => authority.clone(),
            "CAKEY" => authority.with_file_name("ca.key"),
            word => word.into(),
        });
        Run::of(command.current_dir(&folder).args(arguments)).ok();
    };
    let given = ["--cert-dir", folder.to_str().unwrap()];
    let without = shipment.build(&to, &["-q", given[0], given[1], "--retries", "0"]);
    assert_eq!(without.code, Some(1));
    assert!(without.stderr.contains("certificate"), "{}", without.stderr);
    fs::write(folder.join("v3"), "extendedKeyUsage = clientAuth\n").unwrap();
    let rsa = "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out new.pem";
    // (the key, what becomes of its file, the version of the certificate)
    for (key, form, version) in [
        (rsa, "rsa -traditional -in new.pem -out client.key", ""),
        (
            rsa,
            "pkcs8 -topk8 -nocrypt -in new.pem -out client.key",
            " -extfile v3",
        ),
        (
            "ecparam -genkey -name prime256v1 -noout -out new.pem",
            "ec -in new.pem -out client.key",
            " -extfile v3",
        ),
        (
            "ecparam -genkey -name secp384r1 -noout -out new.pem",
            "pkcs8 -topk8 -nocrypt -in new.pem -out client.key",
            "",
        ),
        (
            "genpkey -algorithm ED25519 -out new.pem",
            "pkcs8 -topk8 -nocrypt -in new.pem -out client.key",
            " -extfile v3",
        ),
    ] {
        openssl(key);
        openssl(form);
        openssl("req -new -key client.key -subj /CN=client -out client.csr");
        openssl(&format!(
            "x509 -req -in client.csr -CA CA -CAkey CAKEY -set_serial 7 -days 2 -out client.cert{version}"
        ));
        let run = shipment.build(&to, &["-q", given[0], given[1]]);
        assert_eq!(run.code, Some(0), "{key} {form}{version}: {}", run.stderr);
    }
}
