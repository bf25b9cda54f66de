# What images need beside programs: users, shells, certificates.
{
  lib,
  pkgs,
  build,
}:
let
  needsPkgs = name: throw "`${name}` needs Nixpkgs: give `pkgs`, or make a package of your own";

  # A package of files that are texts, links and directories.
  files =
    name: files:
    build.derive {
      inherit name;
      kind = "files";
      attributes = { inherit files; };
    };

  fakeNssOf =
    {
      extraPasswdLines ? [ ],
      extraGroupLines ? [ ],
    }:
    let
      lines = list: builtins.concatStringsSep "" (map (line: "${line}\n") list);
    in
    files "fake-nss" {
      "etc/passwd".text = lines (
        [ "root:x:0:0:root user:/var/empty:/bin/sh" ]
        ++ extraPasswdLines
        ++ [ "nobody:x:65534:65534:nobody:/var/empty:/bin/sh" ]
      );
      "etc/group".text = lines ([ "root:x:0:" ] ++ extraGroupLines ++ [ "nobody:x:65534:" ]);
      "etc/nsswitch.conf".text = "hosts: files dns\n";
      "var/empty".directory = { };
    };
in
{
  inherit files;

  # A package that is one file: a text, a program or a link.
  file =
    name: content:
    build.derive {
      inherit name;
      kind = "file";
      attributes.file = content;
    };

  fakeNss = lib.makeOverridable fakeNssOf { };

  # /bin/sh
  binSh =
    if pkgs == null then
      needsPkgs "binSh"
    else
      files "bin-sh" { "bin/sh".link = "${pkgs.bashInteractive}/bin/bash"; };

  # /usr/bin/env
  usrBinEnv =
    if pkgs == null then
      needsPkgs "usrBinEnv"
    else
      files "usr-bin-env" { "usr/bin/env".link = "${pkgs.coreutils}/bin/env"; };

  # Certificates where programs look for them.
  caCertificates =
    if pkgs == null then
      needsPkgs "caCertificates"
    else
      let
        bundle = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
      in
      files "ca-certificates" {
        "etc/ssl/certs/ca-bundle.crt".link = bundle;
        "etc/ssl/certs/ca-certificates.crt".link = bundle;
        "etc/pki/tls/certs/ca-bundle.crt".link = bundle;
      };

  # Commands that make what `useradd` and `groupadd` need, where it is not there yet.
  shadowSetup = ''
    ${if pkgs == null then "" else "export PATH=${(pkgs.buildPackages or pkgs).shadow}/bin:$PATH"}
    mkdir -p /etc/pam.d
    if ! [ -f /etc/passwd ]; then
      echo "root:x:0:0::/root:${if pkgs == null then "/bin/sh" else pkgs.runtimeShell}" > /etc/passwd
      echo "root:!x:::::::" > /etc/shadow
    fi
    if ! [ -f /etc/group ]; then
      echo "root:x:0:" > /etc/group
      echo "root:x::" > /etc/gshadow
    fi
    if ! [ -f /etc/pam.d/other ]; then
      {
        echo "account sufficient pam_unix.so"
        echo "auth sufficient pam_rootok.so"
        echo "password requisite pam_unix.so nullok yescrypt"
        echo "session required pam_unix.so"
      } > /etc/pam.d/other
    fi
    [ -f /etc/login.defs ] || touch /etc/login.defs
  '';
}
