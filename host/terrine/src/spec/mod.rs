//! The specification of what the user asks for.

mod image;
mod json;
mod mistaken;
mod time;
mod when;

pub(crate) use image::example;
pub use image::{
    BaseConfig, BaseLinksSpec, CacheSpec, CommandsSpec, Config, Contents, ContentsSpec, FakeNss,
    FileSpec, ImageSpec, ModeField, NixDatabaseSpec, OneOrMany, PathSwitch, PermissionSpec,
    Pipeline, PlannerSpec, SpecError, Switch, TimeField, schema,
};
pub use json::Json;
pub(crate) use mistaken::{Wanted, mistaken};
pub use time::{ParseTimeError, Time};
pub use when::When;
