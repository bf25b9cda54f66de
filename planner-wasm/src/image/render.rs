//! `render`: the image configuration, byte for byte as dockerTools writes it.

use serde_json::{Map, Value, json};

use super::{config, error, python};
use crate::bindings::image::{Error, ErrorKind, RenderRequest, RenderedLayer};

/// Renders the image configuration: the text whose digest is
/// the image id. `variant` is there only where there is one.
///
/// # Errors
///
/// Layers out of order, a diff id that is none, a `config` that is not JSON.
pub fn render(request: &RenderRequest) -> Result<String, Error> {
    check_layers(&request.layers)?;
    let mut image = Map::new();
    image.insert("created".to_owned(), json!(request.created));
    if let Some(author) = &request.author {
        image.insert("author".to_owned(), json!(author));
    }
    image.insert("architecture".to_owned(), json!(request.architecture));
    if let Some(variant) = &request.variant {
        image.insert("variant".to_owned(), json!(variant));
    }
    image.insert("os".to_owned(), json!(request.os));
    image.insert(
        "config".to_owned(),
        config::parse(&request.config, "config")?,
    );
    image.insert("rootfs".to_owned(), rootfs(&request.layers));
    let history = request
        .layers
        .iter()
        .map(|layer| entry(&request.created, layer))
        .collect();
    image.insert("history".to_owned(), history);
    dumps(&Value::Object(image))
}

/// Checks that a `config` can be rendered, before anything is made for it.
///
/// # Errors
///
/// A number that readers of JSON do not take.
pub(super) fn check_config(config: &Value) -> Result<(), Error> {
    dumps(config).map(drop)
}

fn dumps(value: &Value) -> Result<String, Error> {
    python::dumps(value).map_err(|python::Overflow(number)| {
        error(
            ErrorKind::InvalidConfiguration,
            "config",
            format!("`{number}` is too large a number"),
        )
    })
}

fn rootfs(layers: &[RenderedLayer]) -> Value {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    json!({"diff_ids": diff_ids, "type": "layers"})
}

fn entry(created: &str, layer: &RenderedLayer) -> Value {
    let paths = || format!("store paths: {}", python::repr_list(&layer.paths));
    let comment = layer.comment.clone().unwrap_or_else(paths);
    let mut entry = Map::new();
    entry.insert("created".to_owned(), json!(created));
    if let Some(created_by) = &layer.created_by {
        entry.insert("created_by".to_owned(), json!(created_by));
    }
    entry.insert("comment".to_owned(), json!(comment));
    Value::Object(entry)
}

/// Checks that the layers are in the order of the contract: the base's, those of
/// store paths, then the customisation.
fn check_layers(layers: &[RenderedLayer]) -> Result<(), Error> {
    let invalid =
        |i: usize, message| error(ErrorKind::InvalidRequest, format!("layers[{i}]"), message);
    for (i, pair) in layers.windows(2).enumerate() {
        if pair[0].role as u8 > pair[1].role as u8 {
            let message = format!(
                "a layer of {:?} cannot be above one of {:?}",
                pair[1].role, pair[0].role
            );
            return Err(invalid(i + 1, message));
        }
    }
    for (i, layer) in layers.iter().enumerate() {
        let digits = layer.diff_id.strip_prefix("sha256:").unwrap_or_default();
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != 64 || !digits.bytes().all(hex) {
            return Err(invalid(
                i,
                format!("`{}` is not a sha256 digest", layer.diff_id),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::image::LayerRole;

    fn layer(role: LayerRole, digit: char, paths: &[&str]) -> RenderedLayer {
        RenderedLayer {
            role,
            diff_id: format!("sha256:{}", digit.to_string().repeat(64)),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            comment: None,
            created_by: None,
        }
    }

    fn request(layers: Vec<RenderedLayer>) -> RenderRequest {
        RenderRequest {
            created: "1970-01-01T00:00:01+00:00".to_owned(),
            author: None,
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: None,
            config: r#"{"Cmd":["/bin/hello"]}"#.to_owned(),
            layers,
        }
    }

    #[test]
    fn the_text_is_pythons() {
        let layers = vec![
            layer(LayerRole::Store, 'a', &["/nix/store/a", "/nix/store/b"]),
            layer(LayerRole::Customisation, 'b', &["/nix/store/c"]),
        ];
        let expected = format!(
            r#"{{
    "created": "1970-01-01T00:00:01+00:00",
    "architecture": "amd64",
    "os": "linux",
    "config": {{
        "Cmd": [
            "/bin/hello"
        ]
    }},
    "rootfs": {{
        "diff_ids": [
            "sha256:{}",
            "sha256:{}"
        ],
        "type": "layers"
    }},
    "history": [
        {{
            "created": "1970-01-01T00:00:01+00:00",
            "comment": "store paths: ['/nix/store/a', '/nix/store/b']"
        }},
        {{
            "created": "1970-01-01T00:00:01+00:00",
            "comment": "store paths: ['/nix/store/c']"
        }}
    ]
}}"#,
            "a".repeat(64),
            "b".repeat(64)
        );
        assert_eq!(render(&request(layers)), Ok(expected));
    }

    #[test]
    fn a_variant_follows_the_architecture_and_a_config_may_be_null() {
        let armed = RenderRequest {
            architecture: "arm".to_owned(),
            variant: Some("v7".to_owned()),
            config: "null".to_owned(),
            ..request(vec![])
        };
        let text = render(&armed).unwrap();
        assert!(
            text.contains("\"arm\",\n    \"variant\": \"v7\",\n    \"os\""),
            "{text}"
        );
        assert!(text.contains("\"config\": null,"), "{text}");
        assert!(text.contains("\"diff_ids\": [],"), "{text}");
    }

    #[test]
    fn who_made_it_and_how_is_written_where_it_is_known() {
        let layer = RenderedLayer {
            comment: Some("mine".to_owned()),
            created_by: Some("make".to_owned()),
            ..layer(LayerRole::Customisation, 'a', &["/x"])
        };
        let text = render(&RenderRequest {
            author: Some("me".to_owned()),
            ..request(vec![layer])
        })
        .unwrap();
        assert!(
            text.contains("\"author\": \"me\",\n    \"architecture\""),
            "{text}"
        );
        assert!(
            text.contains("\"created_by\": \"make\",\n            \"comment\": \"mine\""),
            "{text}"
        );
    }

    #[test]
    fn the_order_of_layers_is_checked() {
        let base = || layer(LayerRole::Base, '0', &["x/layer.tar"]);
        let store = || layer(LayerRole::Store, '1', &[]);
        let top = || layer(LayerRole::Customisation, '2', &["/c"]);
        assert!(render(&request(vec![base(), base(), store(), top()])).is_ok());
        for wrong in [
            vec![store(), base()],
            vec![top(), store()],
            vec![base(), top(), base()],
        ] {
            assert_eq!(
                render(&request(wrong)).unwrap_err().kind,
                ErrorKind::InvalidRequest
            );
        }
    }

    #[test]
    fn what_is_not_a_digest_is_refused() {
        for bad in [
            "",
            "sha256:",
            "sha512:00",
            &format!("sha256:{}", "A".repeat(64)),
        ] {
            let layer = RenderedLayer {
                diff_id: bad.to_owned(),
                ..layer(LayerRole::Store, '0', &[])
            };
            let error = render(&request(vec![layer])).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("layers[0]"), "{bad}");
        }
    }

    #[test]
    fn a_number_that_json_cannot_hold_is_refused() {
        let huge = RenderRequest {
            config: r#"{"x": 1e999}"#.to_owned(),
            ..request(vec![])
        };
        assert_eq!(
            render(&huge).unwrap_err().message,
            "`1e+999` is too large a number"
        );
    }
}
