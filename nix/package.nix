# terrine, with the planner component that is built in the same derivation, without a network.
{
  lib,
  rustPlatform,
  lld,
  buildPackages,
}:
let
  manifest = lib.importTOML ../Cargo.toml;
in
rustPlatform.buildRustPackage {
  pname = "terrine";
  inherit (manifest.workspace.package) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.lock
      ../Cargo.toml
      ../host
      ../planner-wasm
      ../tests
      ../wit
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = [
    "--package"
    "terrine-cli"
  ];
  # They need Nix, containers and registries; CI runs them.
  doCheck = false;

  # The planner is compiled to WebAssembly.
  nativeBuildInputs = [ lld ];
  env.CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER = "${buildPackages.lld}/bin/wasm-ld";

  # What Nixpkgs' streamLayeredImage calls in the place of its script.
  postInstall = ''
    printf '#!%s __run\n["stream"]\n' "$out/bin/terrine" > "$out/bin/stream_layered_image"
    chmod 755 "$out/bin/stream_layered_image"
  '';

  meta = {
    description = "Makes layered, reproducible container images out of package closures";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "terrine";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
