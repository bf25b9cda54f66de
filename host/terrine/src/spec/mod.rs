//! What the user asks for.

mod conf;
mod image;
mod json;
mod time;

pub use conf::{Conf, ConfError, When};
pub use image::{
    BaseConfig, Config, FakeNss, FileSpec, ImageSpec, ModeField, OneOrMany, PathSwitch,
    PermissionSpec, Pipeline, PlannerSpec, SpecError, Switch, TimeField, schema,
};
pub use json::Json;
pub use time::{ParseTimeError, Time};
