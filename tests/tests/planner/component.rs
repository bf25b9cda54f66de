//! Components of the world `policy`, written in the text format: a good one, and whatever is to
//! be wrong with it.

use std::fmt::Write;
use std::fs;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// The interface of policies.
pub(crate) const LAYERING: &str = "terrine:planner/layering@0.1.0";

/// The address at which `describe` of a good component has its answer, in its memory.
const INFO: usize = 1024;

/// The text that every component starts from: memory that grows, and a plan of one layer.
const GOOD: &str = r#"
    (global $top (mut i32) (i32.const 65536))
    (func $alloc (param $align i32) (param $size i32) (result i32) (local $at i32)
        (local.set $at (i32.and
            (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get $align))))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (loop $more
            (if (i32.lt_u (i32.mul (memory.size) (i32.const 65536)) (global.get $top)) (then
                (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
                (br $more))))
        (local.get $at))
    (func $realloc (export "cabi_realloc") (param $old i32) (param $length i32) (param $align i32)
            (param $size i32) (result i32) (local $at i32)
        (local.set $at (call $alloc (local.get $align) (local.get $size)))
        (memory.copy (local.get $at) (local.get $old) (local.get $length))
        (local.get $at))
    ;; All paths that are not excluded, in one layer; no layer if there are none.
    (func $one_layer (param $request i32) (result i32)
            (local $out i32) (local $count i32) (local $i i32) (local $e i32) (local $answer i32)
        (local.set $out
            (call $alloc (i32.const 4) (i32.mul (i32.load offset=28 (local.get $request)) (i32.const 4))))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $i) (i32.load offset=28 (local.get $request))))
            (if (call $excluded (local.get $request) (local.get $e) (local.get $i))
                (then (local.set $e (i32.add (local.get $e) (i32.const 1))))
                (else
                    (i32.store
                        (i32.add (local.get $out) (i32.mul (local.get $count) (i32.const 4)))
                        (local.get $i))
                    (local.set $count (i32.add (local.get $count) (i32.const 1)))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (local.set $answer (call $alloc (i32.const 8) (i32.const 64)))
        (i32.store offset=4 (local.get $answer) (i32.add (local.get $answer) (i32.const 32)))
        (i32.store offset=8 (local.get $answer) (i32.ne (local.get $count) (i32.const 0)))
        (i32.store offset=32 (local.get $answer) (local.get $out))
        (i32.store offset=36 (local.get $answer) (local.get $count))
        (local.get $answer))
    (func $excluded (param $request i32) (param $e i32) (param $i i32) (result i32)
        (if (i32.ge_u (local.get $e) (i32.load offset=44 (local.get $request)))
            (then (return (i32.const 0))))
        (i32.eq (local.get $i) (i32.load (i32.add
            (i32.load offset=40 (local.get $request)) (i32.mul (local.get $e) (i32.const 4))))))
"#;

/// A component that is to be.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// The body of `describe`: leaves the address of its answer.
    pub(crate) describe: String,
    /// The body of `plan`: the same; the request's address is its parameter 0.
    pub(crate) plan: String,
    /// Imports of the module, and anything else that comes first.
    pub(crate) imports: String,
    /// Anything else in the module.
    pub(crate) rest: String,
    /// The imports of the world, in WIT, and the packages for that.
    pub(crate) world: String,
    pub(crate) packages: Vec<String>,
    /// Changes the text of the contract that it is built for.
    pub(crate) contract: fn(String) -> String,
}

/// A component that does all that it should, in the plainest way.
pub(crate) fn good() -> Policy {
    let schema =
        r#"{"properties": {"spread": {"type": "integer"}}, "additionalProperties": false}"#;
    Policy {
        describe: format!("(i32.const {INFO})"),
        plan: "(call $one_layer (local.get 0))".to_owned(),
        imports: String::new(),
        rest: info(
            "good",
            "1.2.3",
            &[("one-layer", "Everything in one layer.", schema)],
        ),
        world: String::new(),
        packages: vec![],
        contract: |text| text,
    }
}

/// One whose `describe` does something.
pub(crate) fn describing(body: &str) -> Policy {
    Policy {
        describe: body.to_owned(),
        ..good()
    }
}

/// One whose `plan` does something.
pub(crate) fn planning(body: &str) -> Policy {
    Policy {
        plan: body.to_owned(),
        ..good()
    }
}

/// Bytes in memory.
pub(crate) fn data(at: usize, bytes: &[u8]) -> String {
    let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{bytes}\")\n")
}

/// Numbers of four bytes in memory.
pub(crate) fn words(at: usize, words: &[u32]) -> String {
    data(
        at,
        &words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<u8>>(),
    )
}

/// Returns a component's metadata, as data in memory: its name, its version; name, summary and
/// options schema of each policy.
pub(crate) fn info(name: &str, version: &str, policies: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    let mut at = 8192;
    let mut string = |string: &str, text: &mut String| {
        text.push_str(&data(at, string.as_bytes()));
        let place = [at as u32, string.len() as u32];
        at += string.len();
        place
    };
    let (name, version) = (string(name, &mut text), string(version, &mut text));
    text += &words(
        INFO,
        &[name, version, [2048, policies.len() as u32]].concat(),
    );
    for (i, (name, summary, schema)) in policies.iter().enumerate() {
        let fields = [name, summary, schema].map(|field| string(field, &mut text));
        text += &words(2048 + 28 * i, &[fields.concat(), vec![0]].concat());
    }
    text
}

impl Policy {
    /// The module in its text format.
    fn module(&self, interface: &str) -> String {
        let Self {
            describe,
            plan,
            imports,
            rest,
            ..
        } = self;
        let mut text = format!("(module {imports} (memory (export \"memory\") 2)");
        let _ = write!(
            text,
            "(func $describe (export \"{interface}#describe\") (result i32) {describe})"
        );
        let _ = write!(
            text,
            "(func $plan (export \"{interface}#plan\") (param i32) (result i32) {plan})"
        );
        text + GOOD + rest + ")"
    }

    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        self.build_with(|module| module)
    }

    /// The same with the text of its module changed.
    pub(crate) fn build_with(&self, change: impl FnOnce(String) -> String) -> Vec<u8> {
        let folder = terrine_tests::workspace().join("wit/0.1.0");
        let text = (self.contract)(fs::read_to_string(folder.join("layering.wit")).unwrap());
        let mut resolve = Resolve::default();
        let contract = resolve.push_str("layering.wit", &text).unwrap();
        for package in &self.packages {
            resolve.push_str("package.wit", package).unwrap();
        }
        let interface = interface(&resolve, contract);
        let text = format!(
            "package test:it; world it {{ {} export {interface}; }}",
            self.world
        );
        let package = resolve.push_str("world.wit", &text).unwrap();
        let world = resolve.select_world(&[package], Some("it")).unwrap();
        let mut module = wat::parse_str(change(self.module(&interface))).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default()
            .module(&module)
            .unwrap()
            .validate(true)
            .encode()
            .unwrap()
    }
}

/// The full name of the contract's only interface.
fn interface(resolve: &Resolve, package: PackageId) -> String {
    let package = &resolve.packages[package];
    let (name, _) = package.interfaces.first().unwrap();
    package.name.interface_id(name)
}
