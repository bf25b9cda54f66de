use super::*;

#[test]
fn what_tools_refuse_is_found() {
    for (config, expected) in [
        (
            r#"{"Cmd":"/bin/a"}"#,
            r#"`Cmd` is a string|a list of strings, such as `["/bin/a"]`"#,
        ),
        (
            r#"{"ExposedPorts":["80/tcp"]}"#,
            r#"`ExposedPorts` is a list of strings|an object, such as `{"80/tcp":{}}`"#,
        ),
        (
            r#"{"Volumes":"/data"}"#,
            r#"`Volumes` is a string|an object, such as `{"/data":{}}`"#,
        ),
        (
            r#"{"User":1000}"#,
            r#"`User` is a number|a string, such as `"1000"`"#,
        ),
        (
            r#"{"env":{"A":"b"}}"#,
            r#"`env` is an object|a list of strings, such as `["x"]`"#,
        ),
        (
            r#"{"Entrypoint":["a",1]}"#,
            r#"`Entrypoint[1]` is a number|a string, such as `"1"`"#,
        ),
        (
            r#"{"Labels":{"a":1}}"#,
            r#"`Labels.a` is a number|a string, such as `"1"`"#,
        ),
        (
            r#"{"Labels":["a=b","c="]}"#,
            r#"`Labels` is a list of strings|an object of strings, such as `{"a":"b","c":""}`"#,
        ),
        (
            r#"{"Volumes":{"/a":{},"/b":[]}}"#,
            "`Volumes./b` is a list of strings|an empty object, such as `{}`",
        ),
        (
            r#"{"WorkingDir":["/srv"]}"#,
            r#"`WorkingDir` is a list of strings|a string, such as `"/srv"`"#,
        ),
        (
            r#"{"Healthcheck":{"Interval":"5s","Timeout":"1m"}}"#,
            "`Healthcheck.Interval` is a string|a whole number of nanoseconds, such as `5000000000`;`Healthcheck.Timeout` is a string|a whole number of nanoseconds, such as `30000000000`",
        ),
        (
            r#"{"StopTimeout":"5"}"#,
            "`StopTimeout` is a string|a whole number, such as `5`",
        ),
        (
            r#"{"Tty":"yes"}"#,
            "`Tty` is a string|true or false, such as `true`",
        ),
        (
            r#"{"Healthcheck":{"Retries":1.5,"Test":"x"}}"#,
            r#"`Healthcheck.Retries` is a number with a fraction|a whole number, such as `10`;`Healthcheck.Test` is a string|a list of strings, such as `["CMD-SHELL","x"]`"#,
        ),
        (
            r#"{"StopTimeout":1.5}"#,
            "`StopTimeout` is a number with a fraction|a whole number, such as `10`",
        ),
        (
            r#"{"Healthcheck":{"Interval":1.5e9}}"#,
            "`Healthcheck.Interval` is a number with a fraction|a whole number of nanoseconds, such as `30000000000`",
        ),
        (
            r#"{"StopTimeout":18446744073709551615}"#,
            "`StopTimeout` is a number that is too large|a whole number, such as `10`",
        ),
        (
            r#"{"User":1.5}"#,
            r#"`User` is a number|a string, such as `"1.5"`"#,
        ),
    ] {
        let found = mistyped(config);
        let found = found.iter().map(|field| {
            let end = ", and container engines do not load such an image";
            let message = field.message.strip_suffix(end).unwrap_or_default();
            let hint = field.hint.strip_prefix("write ").unwrap_or_default();
            format!("{message}|{}", hint.replace(" there,", ","))
        });
        assert_eq!(found.collect::<Vec<_>>().join(";"), expected);
    }
}

#[test]
fn what_tools_take_is_left_alone() {
    for config in [
        "null",
        "[]",
        r#"{"Cmd":null,"User":null,"Labels":null,"ExposedPorts":null}"#,
        r#"{"Cmd":["a"],"Env":[],"User":"0","ExposedPorts":{"80/tcp":{},"1":null},"Labels":{"a":"b"}}"#,
        r#"{"Healthcheck":{"Test":["NONE"],"Interval":30000000000},"StopTimeout":5,"Tty":true}"#,
        r#"{"Mine":1}"#,
    ] {
        assert_eq!(mistyped(config), [], "{config}");
    }
}
