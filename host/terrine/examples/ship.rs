//! Plans, packs and ships an image into an OCI layout by the library alone:
//!
//!     cargo run --example ship -- image.json layout
//!
//! An image specification is what `terrine schema` describes. The image's tag is its name in the
//! layout.

#![allow(clippy::print_stdout, reason = "an example has no printer")]

use std::error::Error;
use std::path::Path;
use std::thread;

use terrine::assemble::{NewImage, Outcome, Shipping};
use terrine::cache::Cache;
use terrine::compress::{Pool, Setting};
use terrine::destination::LayoutDestination;
use terrine::layout::Layout;
use terrine::plan::{self, Facts};
use terrine::planner::{Limits, Planners, Runtime};
use terrine::source::LocalOpener;
use terrine::spec::ImageSpec;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [spec, layout] = arguments.as_slice() else {
        return Err("usage: ship SPECIFICATION LAYOUT".into());
    };
    let spec = ImageSpec::read(Path::new(spec))?;
    // A runtime can be kept for any number of images. With a folder for compiled components it
    // starts faster.
    let runtime = Runtime::new(Limits::default(), None)?;
    let planner = runtime.embedded()?;
    // The one that the specification names for the layers, if it names one.
    let component = plan::component(&spec, &runtime)?;
    let planners = Planners::one(&planner).with_layering(component.as_ref());
    // With `Cache::open` layers that are known are not made a second time.
    let cache = Cache::none();
    let options = plan::PlanOptions::new(&LocalOpener, &cache);
    // All that can be decided is decided here, and nothing has been written yet.
    let plan::Prepared { image, mut facts } = plan::prepare(&spec, &options, planners)?;
    show(&facts);
    let outcome = ship(&image, Path::new(layout), &cache)?;
    facts.complete(&outcome);
    for layer in &facts.layers {
        let (size, was_there) = (
            layer.size.unwrap_or_default(),
            layer.was_there == Some(true),
        );
        println!(
            "layer {}: {size} bytes, {}",
            layer.number,
            if was_there { "was there" } else { "made" }
        );
    }
    println!("{} is {}", image.reference(), outcome.id);
    Ok(())
}

/// The plan: each layer, and why it is one.
fn show(facts: &Facts) {
    for remark in &facts.remarks {
        println!("note: {remark}");
    }
    for layer in &facts.layers {
        println!("layer {}: {}", layer.number, layer.reason);
    }
}

/// Packs and ships: reads, hashes, compresses and stores what the layout does not have.
fn ship(image: &NewImage<'_>, layout: &Path, cache: &Cache) -> Result<Outcome, Box<dyn Error>> {
    let layout = Layout::create(layout)?;
    let destination = LayoutDestination::new(layout, Some(image.resolved.tag.clone()));
    let pool = Pool::new(thread::available_parallelism()?);
    let shipping = Shipping::new(&destination, &Setting::GZIP, &pool, cache);
    // In the place of `()` may be a `Reporter`, which is told of every layer and byte.
    Ok(image.ship(&shipping, &())?)
}
