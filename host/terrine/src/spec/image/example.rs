//! Examples of how fields of an image specification are written.

use super::schema;

/// Returns an example of a field, or where the fields are explained.
pub(crate) fn of(field: &str) -> String {
    let top = field.split(['.', '[']).next().unwrap_or_default();
    match schema::example(top) {
        Some(example) => format!(
            "write it as `\"{top}\": {}`, for example; `terrine schema` explains all fields",
            example.spaced()
        ),
        None if field.is_empty() => {
            "an image specification begins as `{\"name\": \"web\", \"contents\": \"./site\"}`; `terrine schema` explains all fields".to_owned()
        }
        None => "`terrine schema` explains all fields".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_those_of_the_schema() {
        assert!(of("permissions[0].x").starts_with(
            "write it as `\"permissions\": [{\"path\": \"/srv/data/**\", \"uid\": 1000}]`, for example"
        ));
        assert_eq!(of("nothing"), "`terrine schema` explains all fields");
        assert!(of("").contains("\"name\""));
    }
}
